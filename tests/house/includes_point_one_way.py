#!/usr/bin/env python3
"""Fails when a folder includes one that it may not: the arrows of the design, checked in the sources."""
import pathlib
import re
import sys

GRAPH = {"graph"}
ALLOWED = {
    "graph": GRAPH,
    "loader": GRAPH | {"loader"},
    "kernels": GRAPH | {"kernels"},
    "partitioner": GRAPH | {"partitioner"},
    "scheduler": GRAPH | {"partitioner", "scheduler"},
    "executor": GRAPH | {"loader", "kernels", "partitioner", "scheduler", "executor"},
    "plugins/host": GRAPH | {"executor", "partitioner", "scheduler", "plugins"},
    "plugins/backends": GRAPH | {"kernels", "executor", "plugins"},
    "plugins/transports": GRAPH | {"executor", "plugins"},
    "plugins/schedulers": GRAPH | {"scheduler", "plugins"},
    "plugins": {"plugins"},
    "cli": GRAPH | {"loader", "kernels", "partitioner", "scheduler", "executor", "plugins", "cli"},
}
FOLDERS = {folder.split("/")[0] for folder in ALLOWED}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def rule_for(path: pathlib.PurePath) -> str:
    folder = "/".join(path.parts[:2])
    return folder if folder in ALLOWED else path.parts[0]


def forbidden(root: pathlib.Path) -> list[str]:
    wrong, seen = [], 0
    for file in sorted(root.rglob("*")):
        path = file.relative_to(root)
        if path.parts[0] not in FOLDERS or file.suffix not in {".h", ".cpp", ".cu", ".cuh", ".c"}:
            continue
        seen += 1
        for target in INCLUDE.findall(file.read_text()):
            folder = target.split("/")[0]
            if folder in FOLDERS and folder not in ALLOWED[rule_for(path)]:
                wrong.append(f"{path} includes {target}")
            if path.as_posix() == "plugins/abi.h":
                wrong.append(f"{path} includes {target}: it may include nothing of ours")
    assert seen > 50, f"only {seen} sources found under {root}"
    return wrong


if __name__ == "__main__":
    found = forbidden(pathlib.Path(sys.argv[1]))
    print("\n".join(found) or "all includes point the right way")
    sys.exit(1 if found else 0)
