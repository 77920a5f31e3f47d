"""The notebook asks for a kernel that is not there, and for another language.
"""
# %% notebook
nb["metadata"] = {"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}, "language_info": {"name": "R"}}
