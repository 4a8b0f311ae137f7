"""What a card is trusted with, checked on one: a prepared run of six minutes at the most.

The machine needs Python 3.10 or newer, torch (a CUDA build), numpy, OpenCV (headless), onnxruntime and safetensors, as
a bare one has them; `scoring` needs an onnxruntime with its CUDA provider. What else the checks import is carried along
as wheels, the second line for `scoring` alone:

    pydantic pydantic-core annotated-types typing-extensions typing-inspection click psutil
    onnx protobuf ml-dtypes onnxscript onnx-ir

    pip download --no-deps --only-binary=:all: --python-version 3.12 --platform manylinux_2_28_x86_64 \
        --platform manylinux2014_x86_64 -d wheels NAME...                   where there is a registry
    pip install --no-index --no-deps --target site wheels/*.whl             on the bare machine
    PYTHONPATH=site python -m tools.bench cuda --json

Each check runs in a process of its own, since a card that failed once answers nothing more to the process it failed
in. One that cannot be made here is `not run`, with why. The last line is {"device", "ok", "failed", "not_run",
"checks": {...}}. Exit code: 0 when everything that the device can show is ok, 1 when something failed, 75 when
something was not run that it should show.
"""

from tools.bench.cuda.command import main

__all__ = ["main"]
