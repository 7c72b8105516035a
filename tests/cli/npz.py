"""Reads and writes .npz archives without numpy: a name -> (shape, flat list) dictionary."""

import array
import ast
import struct
import zipfile

CODES = {"<f4": "f", "<f8": "d", "<i4": "i", "<i8": "q", "|u1": "B"}


def read(path):
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            content = archive.read(member)
            if content[:8] != b"\x93NUMPY\x01\x00":
                raise ValueError(f"{path}: {member} is not version 1.0 of .npy")
            end = 10 + struct.unpack("<H", content[8:10])[0]
            header = ast.literal_eval(content[10:end].decode())
            if header["fortran_order"]:
                raise ValueError(f"{path}: {member} is in Fortran order")
            values = array.array(CODES[header["descr"]], content[end:])
            arrays[member.removesuffix(".npy")] = (header["shape"], values.tolist())
    return arrays


def write(path, arrays):
    """`arrays`: name -> (descr, shape, flat list)."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, (descr, shape, values) in arrays.items():
            header = str({"descr": descr, "fortran_order": False, "shape": tuple(shape)}).encode()
            header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
            content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
            archive.writestr(name + ".npy", content + array.array(CODES[descr], values).tobytes())


def relative_error(found, expected):
    """Frobenius norm of the difference over that of `expected`."""
    difference = sum((f - e) ** 2 for f, e in zip(found, expected, strict=True))
    size = sum(e * e for e in expected)
    return (difference / size) ** 0.5 if size > 0 else difference**0.5
