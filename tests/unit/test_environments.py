"""Environments in pip's words: what becomes of conda packages, of pip's options, and of what is v1's own."""

from __future__ import annotations

import pytest

from canalis.contract.environments import Sources, faults_of, wanted


def asked(*conda: object, pip: tuple[str, ...] = ()) -> dict[str, object]:
    listed = [*conda, {"pip": list(pip)}] if pip else list(conda)
    return {"name": "e", "python": {"conda_dependencies": {"channels": ["conda-forge"], "dependencies": listed}}}


@pytest.mark.parametrize(
    ("conda", "pip"),
    [
        ("numpy", "numpy"),
        ("numpy=1.19", "numpy==1.19.*"),
        ("numpy=1.19.*", "numpy==1.19.*"),
        ("numpy=1.19*", "numpy==1.19.*"),
        ("numpy==1.19.5", "numpy==1.19.5"),
        ("numpy=1.19.5=py38h0_1", "numpy==1.19.5"),
        ("numpy 1.19.5 py38h0_1", "numpy==1.19.5"),
        ("numpy 1.19.*", "numpy==1.19.*"),
        ("numpy>=1.19,<2", "numpy>=1.19,<2"),
        ("numpy >=1.19, <2", "numpy>=1.19,<2"),
        ("numpy!=1.20", "numpy!=1.20"),
        ("numpy>=1.19.*", "numpy>=1.19"),
        ("numpy=*", "numpy"),
        ("numpy[version='>=1.19']", "numpy>=1.19"),
        ("conda-forge::numpy=1.19", "numpy==1.19.*"),
        ("conda-forge/linux-64::numpy", "numpy"),
        ("Scikit-Learn=0.22", "scikit-learn==0.22.*"),
        ("pytorch::pytorch=1.6", "torch==1.6.*"),
        ("tensorflow-gpu==2.3", "tensorflow==2.3"),
        ("py-xgboost", "xgboost"),
        ("opencv", "opencv-python-headless"),
        ("python-graphviz", "graphviz"),
    ],
)
def test_a_conda_package_becomes_a_pip_package(conda, pip):
    found = wanted(asked(conda))
    assert (found.requirements, found.faults) == ((pip,), ())


@pytest.mark.parametrize(
    ("conda", "said"),
    [
        ("r-base", "have no wheel: r-base"),
        ("openjdk=8", "have no wheel: openjdk"),
        ("graphviz", "have no wheel: graphviz"),
        ("gxx_linux-64", "have no wheel: gxx_linux-64"),
        ("numpy=1.2|1.4", "'numpy=1.2|1.4' cannot be translated"),
        ("numpy=>1", "'numpy=>1' cannot be translated"),
        ({"npm": ["left-pad"]}, "neither a conda package nor a list"),
    ],
)
def test_what_pip_has_no_words_for_is_a_fault_that_names_it(conda, said):
    (fault,) = wanted(asked(conda)).faults
    assert said in fault


def test_all_packages_without_a_wheel_are_told_at_once():
    graph = {"k": asked("r-base", "numpy", "ffmpeg"), "fine": asked("numpy")}
    (fault,) = faults_of(graph, [("one", "fine"), ("two", "k"), ("three", "k")])
    assert fault.startswith("Step 'two', environment 'e': conda packages") and "r-base, ffmpeg" in fault


def test_what_wheels_bring_with_them_is_left_out_and_noted():
    found = wanted(asked("_libgcc_mutex=0.1=main", "openssl=1.1.1k=h7f", "cudatoolkit=10.1", "numpy"))
    assert found.requirements == ("numpy",)
    assert found.notes == ("left out, since wheels bring their own: _libgcc_mutex, openssl, cudatoolkit",)


@pytest.mark.parametrize(
    ("conda", "python"),
    [
        ("python=3.6.2", "3.6.2"),
        ("python==3.8", "3.8"),
        ("python 3.8.*", "3.8"),
        ("python=3.8.5=h7579374_1", "3.8.5"),
        ("python>=3.6", ""),
        ("python", ""),
        ("python=3.10.18", ""),
    ],
)
def test_a_version_of_python_is_asked_for_and_is_no_package(conda, python):
    found = wanted(asked(conda, "pip", "pip=20.1.1"))
    assert (found.python, found.requirements, found.is_built) == (python, (), False)


def test_what_is_v1s_own_is_never_installed_but_what_it_brought_is():
    listed = ("azureml-defaults~=1.5", "azureml_core", "azureml-dataprep[pandas,fuse]>=1.1", "azureml-sdk", "canalis")
    alone = wanted(asked("python=3.6.2", pip=listed))
    assert (alone.requirements, alone.is_built) == ((), False)
    assert alone.brought == ("pyarrow", "pandas")

    beside = wanted(asked(pip=(*listed, "joblib", "pandas==2.1")))
    assert (beside.requirements, beside.brought) == (("joblib", "pandas==2.1"), ("pyarrow",))


def test_the_last_of_several_wishes_for_one_package_counts():
    assert wanted(asked("numpy=1.18", pip=("Num.Py", "numpy==1.19.5"))).requirements == ("numpy==1.19.5", "Num.Py")


def test_pips_options_say_where_packages_come_from():
    found = wanted(
        asked(
            pip=(
                "--index-url https://a/simple",
                "--extra-index-url=https://b/simple?x=1",
                "--extra-index-url https://c",
                "-f /wheels",
                "--trusted-host b",
                "--pre",
                "--no-cache-dir",
                "-e /code/mine",
                "numpy  # for its arrays",
                "# nothing",
                "git+https://x/y.git@main#egg=y",
                "lib @ file:///here/lib.whl",
                "/here/other.whl",
            )
        )
    )
    assert found.sources == Sources(
        "https://a/simple", ("https://b/simple?x=1", "https://c"), ("/wheels",), ("b",), pre=True
    )
    assert found.requirements == (
        "/code/mine",
        "numpy",
        "git+https://x/y.git@main#egg=y",
        "lib @ file:///here/lib.whl",
        "/here/other.whl",
    )
    assert found.faults == ()


@pytest.mark.parametrize(
    "line", ["-r requirements.txt", "--requirement=r.txt", "-c c.txt", "--target /x", "--index-url"]
)
def test_an_option_that_means_nothing_here_is_a_fault(line):
    (fault,) = wanted(asked(pip=(line, "numpy"))).faults
    assert f"pip option '{line}' means nothing here" in fault


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {"python": None},
        {"python": {"conda_dependencies": None}},
        {"python": {"user_managed_dependencies": True, "conda_dependencies": {"dependencies": ["numpy"]}}},
        {"python": {"conda_dependencies": {"dependencies": None}}},
        {"python": {"conda_dependencies": "numpy"}},
    ],
)
def test_an_environment_that_asks_for_nothing_is_not_built(definition):
    assert not wanted(definition).is_built
