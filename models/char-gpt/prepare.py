#!/usr/bin/env python3
"""Makes train.bin and val.bin for char-gpt: the King James Bible, one verse a line, as character ids.

    python3 prepare.py [FOLDER]

Needs the program `bible` (Debian and Ubuntu: bible-kjv), nothing else. FOLDER is data/ beside this file
unless given. Tokens are little-endian uint16: positions in ALPHABET. The last 100,000 characters are kept for validation.
"""

import array
import shutil
import subprocess
import sys
from pathlib import Path

ALPHABET = "\n !'(),-.:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VALIDATION_TOKENS = 100_000


def read_text() -> str:
    if shutil.which("bible") is None:
        sys.exit("prepare.py: the program `bible` is not installed: apt-get install bible-kjv")
    # One verse a line, each preceded by its reference: "Ge1:1 In the beginning ..."
    verses = subprocess.run(["bible", "-f", "gen1:1-rev22:21"], check=True, capture_output=True,
                            encoding="ascii").stdout.splitlines()
    return "".join(verse.split(" ", 1)[1] + "\n" for verse in verses if verse)


def write_tokens(path: Path, text: str) -> None:
    ids = {character: index for index, character in enumerate(ALPHABET)}
    tokens = array.array("H", (ids[character] for character in text))
    if sys.byteorder == "big":
        tokens.byteswap()
    path.write_bytes(tokens.tobytes())
    print(f"{path}: {len(tokens)} tokens")


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent / "data"
    folder.mkdir(parents=True, exist_ok=True)
    text = read_text()
    write_tokens(folder / "train.bin", text[:-VALIDATION_TOKENS])
    write_tokens(folder / "val.bin", text[-VALIDATION_TOKENS:])
