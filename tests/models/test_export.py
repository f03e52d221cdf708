"""Every network leaves torch: ONNX with a batch of any size, and the same logits there."""

import warnings

import pytest
import torch


@pytest.mark.slow  # importing the exporter takes most of it
def test_onnx_runtime_gives_the_same_logits(case, tmp_path):
    pytest.importorskip("onnxscript", reason='the exporter needs pip install "grn-pruning[export]"')
    runtime = pytest.importorskip("onnxruntime", reason='needs pip install "grn-pruning[export]"')
    network = case.build().eval()
    path = tmp_path / "network.onnx"
    free = {0: torch.export.Dim("batch")}
    if case.name == "speech":
        free[3] = torch.export.Dim("frames", min=33)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own making
        torch.onnx.export(
            network,
            (case.images(2),),
            str(path),
            dynamo=True,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=(free,),
            verbose=False,
        )
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for count in (1, 5):
        images = case.images(count, seed=count)
        if case.name == "speech":
            images = torch.cat([images] * (count + 1), dim=3)
        (logits,) = session.run(["logits"], {"images": images.numpy()})
        torch.testing.assert_close(torch.from_numpy(logits), network(images).detach(), rtol=1e-4, atol=1e-4)
