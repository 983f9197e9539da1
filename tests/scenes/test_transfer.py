"""Data is copied between datastores, through either door."""

from __future__ import annotations

import uuid

from canalis.compute import ComputeTarget, DataFactoryCompute
from canalis.data import DataReference, PipelineData
from canalis.data_transfer_step import DataTransferStep
from tests.scenes.conftest import Author, log_of


def test_what_a_step_makes_is_copied_elsewhere_and_read_there(author: Author):
    factory = ComputeTarget.create(author.ws, "scene-factory", DataFactoryCompute.provisioning_configuration())
    stores = author.ws.datastores
    made = PipelineData("made", datastore=stores["workspaceblobstore"])
    write = author.step(
        "write",
        """
        import os, sys
        os.makedirs(sys.argv[1] + "/deep")
        open(sys.argv[1] + "/a", "w").write("aa")
        open(sys.argv[1] + "/deep/b", "w").write("b")
        """,
        arguments=[made],
        outputs=[made],
    )
    to = DataReference(stores["workspacefilestore"], "there", f"copied/{uuid.uuid4().hex}")
    copy = DataTransferStep("copy", made, to, factory, allow_reuse=False)
    text = "import sys; print(open(sys.argv[1] + '/a').read(), open(sys.argv[1] + '/deep/b').read())"
    read = author.step("read", text, inputs=[copy.get_output()], arguments=[copy.get_output()])
    run = author.runs(write, copy, read)

    assert run.get_status() == "Finished", log_of(run, "copy")
    assert "copied 2 files, 3 bytes; SHA-256 over all: " in log_of(run, "copy")
    assert log_of(run, "read").strip().endswith("aa b")
