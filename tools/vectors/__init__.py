"""Questions with their answers, in bytes and digests, for whoever writes a validator in another language.

`tests/vectors/README.md` describes the files; `table.py` lists the kinds, one entry each.
"""
