"""U-SQL in a pipeline: AdlaStep, as its author meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from canalis.adla_compute import AdlaCompute
from canalis.adla_step import AdlaStep
from canalis.compute import ComputeTarget
from canalis.data import PipelineData
from canalis.exceptions import ComputeTargetException
from canalis.parameter import PipelineParameter
from canalis.pipeline import Pipeline
from tests.scenes.conftest import canalis, log_of, statuses

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "usql" / "pipeline.py"
SCRIPT = """\
@a = EXTRACT n int, word string FROM "@@rows@@" USING Extractors.Csv();
@b = SELECT n * @@factor@@ AS n, word + "@@mark@@" AS word FROM @a WHERE n != 2;
OUTPUT @b TO "@@made@@/b.csv" ORDER BY n USING Outputters.Csv();
"""


def test_a_script_of_usql_reads_what_one_step_has_written_and_writes_for_another(author):
    rows, made = PipelineData("rows"), PipelineData("made")
    author.writes("a.usql", SCRIPT)
    factor = PipelineParameter("factor", 1)
    steps = [
        author.step(
            "write",
            "import sys; open(sys.argv[1], 'w').write('1,one\\n2,two\\n3,three\\n')",
            arguments=[rows],
            outputs=[rows],
        ),
        AdlaStep(
            "a.usql",
            inputs=[rows],
            outputs=[made],
            params={"factor": factor, "mark": '"!'},
            allow_reuse=False,
            source_directory=str(author.folder),
        ),
        author.step("read", "import sys; print(open(sys.argv[1] + '/b.csv').read())", arguments=[made], inputs=[made]),
    ]
    run = author.submits(*steps, pipeline_parameters={"factor": 10})
    run.wait_for_completion(show_output=False)

    assert log_of(run, "read").strip() == '10,"one""!"\n30,"three""!"'
    said = log_of(run, "a.usql")
    assert "line 1: EXTRACT reads 1 file\n" in said and "line 3: OUTPUT writes 2 rows to " in said


def test_a_script_that_fails_on_its_data_fails_the_step_and_leaves_nothing(author):
    rows, made = PipelineData("rows"), PipelineData("made")
    author.writes("a.usql", SCRIPT.replace("@@factor@@", "1").replace("@@mark@@", ""))
    run = author.runs(
        author.step(
            "write", "import sys; open(sys.argv[1], 'w').write('1,one\\nx,two\\n')", arguments=[rows], outputs=[rows]
        ),
        AdlaStep("a.usql", inputs=[rows], outputs=[made], allow_reuse=False, source_directory=str(author.folder)),
    )
    assert statuses(run) == {"write": "Finished", "a.usql": "Failed"}
    assert "EXTRACT in line 1, column n: 'x' is no int" in run.find_step_run("a.usql")[0].get_stderr_log()


def test_what_is_wrong_with_a_script_is_told_where_the_pipeline_is_drawn(author):
    author.writes("a.usql", 'USE DATABASE x;\n@a = SELECT y FROM @b;\nOUTPUT @a TO "@@mde@@" USING Outputters.Csv();\n')
    made = PipelineData("made")
    with pytest.raises(ValueError) as told:
        Pipeline(author.ws, [AdlaStep("a.usql", name="sum", outputs=[made], source_directory=str(author.folder))])
    assert str(told.value).splitlines() == [
        "Script 'a.usql' of step 'sum': line 1, column 1: USE DATABASE: there is no catalog here; keep rowsets in files, with OUTPUT and EXTRACT [usql_not_here]",
        "Script 'a.usql' of step 'sum': line 2, column 20: the rowset @b is not assigned before (there are: none) [usql_unknown]",
        "Script 'a.usql' of step 'sum': line 3, column 15: '@@mde@@' is no input, output or parameter of the step (there are: made) [usql_placeholder]",
    ]


def test_an_account_is_attached_found_again_and_detached(author):
    with pytest.raises(ComputeTargetException, match="account_name or resource_id"):
        AdlaCompute.attach_configuration(resource_group="g")
    ComputeTarget.attach(author.ws, "lake", AdlaCompute.attach_configuration("g", "account")).wait_for_completion()
    found = ComputeTarget(author.ws, "lake")
    assert isinstance(found, AdlaCompute) and found.type == "DataLakeAnalytics" and found.is_attached
    cluster = author.cluster("nodes", 1)
    with pytest.raises(ValueError, match="'nodes' is a AmlCompute; an AdlaStep runs on an AdlaCompute"):
        AdlaStep("a.usql", compute_target=cluster)
    found.detach()
    with pytest.raises(ComputeTargetException, match="ComputeTargetNotFound"):
        AdlaCompute(author.ws, "lake")


@pytest.mark.laptop("the workspace of the folder in which it is run, which an author of the cloud has not")
def test_the_example_runs_as_it_stands(own_home):
    done = canalis("run", str(EXAMPLE))
    assert "is completed after" in done.stdout
    assert "EN  banana      " in done.stdout or "EN  " in done.stdout, done.stdout
