"""Weights by name, `hf:ORG/NAME[@REVISION]`: found on this machine, or fetched from the Hugging Face hub.

`names` reads such a name, `places` looks for it here without any network, `snapshot` fetches it by way of
`server`. The last two are for commands that may download: `bm train`, `bm check --build`, `bm models get`.
"""
