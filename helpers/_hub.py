"""Is a Hugging Face Hub model within reach, and if not, which sentence helps: asked once, answered in seconds."""

from __future__ import annotations

import os
from pathlib import Path

SECONDS = 6  # patience with a Hub that does not answer

_NO_NAME = "leave the name out for the model that comes with the course"


def local_folder(name: str | os.PathLike) -> Path | None:
    """The folder that `name` means, or None if it is to be taken as the id of a Hub model.

    Raises FileNotFoundError for a path that is not there, ValueError for a folder without a model in it.
    """
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


def hub_source(name: str) -> tuple[bool, str]:
    """Whether to read `name` from the local Hub cache alone, and why, in a few words.

    Asks the Hub one short question. Raises OSError (ConnectionError where the Hub cannot be reached) or ValueError
    with a sentence that names the remedy. The access token is read from HF_TOKEN, or from the file that
    HF_TOKEN_PATH names (~/.cache/huggingface/token if it is not set), where `hf auth login` puts it.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    try:
        cached = isinstance(try_to_load_from_cache(name, "config.json"), str)
    except HFValidationError:
        raise ValueError(f"{name!r} is neither a folder nor the id of a Hub model (owner/name): {_NO_NAME}.") from None
    if constants.HF_HUB_OFFLINE:
        reason = "HF_HUB_OFFLINE is set"
    else:
        try:
            get_hf_file_metadata(hf_hub_url(name, "config.json"), timeout=SECONDS)
            return False, "asked for by name"
        except GatedRepoError:
            if not cached:
                raise PermissionError(gated(name)) from None
            reason = "the Hub refused access"
        except RepositoryNotFoundError:
            raise FileNotFoundError(
                f"The Hub shows no model {name} to you: check the spelling, or if it is private, run `hf auth login`."
            ) from None
        except HfHubHTTPError as error:
            reason = f"the Hub answered with an error ({getattr(error.response, 'status_code', error)})"
        except Exception as error:  # the HTTP library's own errors, which depend on its version
            reason = f"the Hub cannot be reached ({type(error).__name__})"
    if not cached:
        raise ConnectionError(
            f"{name} is not in the local Hub cache and {reason}: once you are online, run `hf download {name}`, "
            f"or {_NO_NAME}."
        )
    return True, reason


def gated(name: str) -> str:
    """What to do about a model whose owner wants a licence to be accepted."""
    return (
        f"{name} is gated: accept its licence at https://huggingface.co/{name}, then run `hf auth login` "
        "(or put an access token into HF_TOKEN, or into the file that HF_TOKEN_PATH names)."
    )
