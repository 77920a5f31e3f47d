"""Where a named model is: in a folder, in the local Hub cache or on the Hub; and if nowhere, which sentence helps.

The Hub is asked one short question, so that being offline costs seconds and not the minutes of a download's retries.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

SECONDS = 5  # patience with a Hub that does not answer

_NO_NAME = "leave the name out for the model that comes with the course"


class Source(NamedTuple):
    """What `from_pretrained` is given, and what to tell the person who asked."""

    path: str
    local: bool  # no network is needed
    title: str
    why: str
    remedy: str  # if the files turn out not to be what they should be


def named(name: str | os.PathLike) -> Source:
    """The folder `name`, else the Hub model `name`.

    Raises OSError (ConnectionError where the Hub cannot be reached, PermissionError where it refuses) or ValueError
    with a sentence that names the remedy.
    """
    folder = _folder(name)
    if folder:
        remedy = "write the folder anew with `save_pretrained`, for the model and for the tokenizer"
        return Source(str(folder), True, f"the folder {folder}", "it is there", remedy)
    name = str(name)
    why_offline = _why_offline(name)
    place = "the local Hub cache" if why_offline else "the Hub"
    why = why_offline or "asked for by name"
    return Source(name, bool(why_offline), f"{name} from {place}", why, f"once online, run `hf download {name}`")


def _folder(name: str | os.PathLike) -> Path | None:
    """The folder that `name` means, or None if it is to be taken as the id of a Hub model."""
    if not isinstance(name, (str, os.PathLike)) or not str(name).strip():
        raise ValueError(f"name={name!r} is neither a folder nor the id of a Hub model: {_NO_NAME}.")
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ValueError(f"The folder {path} has no config.json: give one that `save_pretrained` has written.")
        return path
    text = str(name)
    if isinstance(name, os.PathLike) or text.startswith((".", "~", os.sep)) or "\\" in text or text.count("/") > 1:
        raise FileNotFoundError(f"There is no folder {path}: give one with a saved model, or {_NO_NAME}.")
    return None


def _why_offline(name: str) -> str | None:
    """Why the Hub model `name` has to come from the local Hub cache, in a few words; None if the Hub serves it.

    The access token is read from HF_TOKEN, or from the file that HF_TOKEN_PATH names (~/.cache/huggingface/token if
    it is not set), where `hf auth login` puts it: that is how huggingface_hub does it.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    try:
        cached = isinstance(try_to_load_from_cache(name, "config.json"), str)
    except HFValidationError:
        raise ValueError(f"{name!r} is neither a folder nor the id of a Hub model (owner/name): {_NO_NAME}.") from None
    if constants.HF_HUB_OFFLINE:
        reason = "HF_HUB_OFFLINE is set (unset it to use the network)"
    else:
        try:
            get_hf_file_metadata(hf_hub_url(name, "config.json"), timeout=SECONDS)
            return None
        except GatedRepoError:
            if not cached:
                raise PermissionError(gated(name)) from None
            reason = "the Hub refused access"
        except RepositoryNotFoundError:  # also what the Hub says of a private model
            raise FileNotFoundError(
                f"The Hub shows no model {name} to you: check the spelling, or if it is private, run `hf auth login`."
            ) from None
        except HfHubHTTPError as error:
            reason = f"the Hub answers with error {getattr(error.response, 'status_code', error)}"
        except Exception as error:  # the HTTP library's own errors, which depend on its version
            reason = f"the Hub cannot be reached [{type(error).__name__}]"
    if not cached:
        raise ConnectionError(
            f"{name} is not in the local Hub cache and {reason}: once you are online, run `hf download {name}`, "
            f"or {_NO_NAME}."
        )
    return reason


def gated(name: str) -> str:
    """What to do about a model whose owner wants a licence to be accepted."""
    return (
        f"{name} is gated: accept its licence at https://huggingface.co/{name}, then run `hf auth login` "
        "(or put an access token into HF_TOKEN, or into the file that HF_TOKEN_PATH names)."
    )
