"""Where conda's names differ from pip's: packages of other names, and those that pip does not have.

Source   the recipes of conda-forge and of the `defaults` and `pytorch` channels, 2026-11-28
"""

from __future__ import annotations

import re

PIP_NAMES = {
    "dask-core": "dask",
    "importlib_metadata": "importlib-metadata",
    "jupyter_client": "jupyter-client",
    "jupyter_core": "jupyter-core",
    "lightning": "lightning",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pyqt": "PyQt5",
    "pytables": "tables",
    "python-flatbuffers": "flatbuffers",
    "python-graphviz": "graphviz",
    "python-snappy": "python-snappy",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "ruamel_yaml": "ruamel.yaml",
    "seaborn-base": "seaborn",
    "tensorflow-base": "tensorflow",
    "tensorflow-eigen": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-mkl": "tensorflow",
    "typing_extensions": "typing-extensions",
}

# Libraries under Python packages, and parts of Python itself: wheels bring theirs, and an interpreter has the rest.
BROUGHT_BY_WHEELS = frozenset(
    """
    blas bzip2 ca-certificates cuda-cudart cuda-runtime cudatoolkit cudnn cpuonly intel-openmp ld_impl_linux-64 libblas
    libcblas libffi libgcc libgcc-ng libgfortran-ng libgomp liblapack libopenblas libstdcxx libstdcxx-ng libuuid
    libzlib mkl mkl-service mkl_fft mkl_random nccl ncurses nomkl openblas openssl python_abi pytorch-cuda
    pytorch-mutex readline sqlite tk xz zlib zstd
    """.split()
)

# Programs, compilers and libraries of other languages.
NO_WHEEL = re.compile(
    r"r|r-.*|rpy2|gcc.*|gxx.*|gfortran.*|clang.*|c-compiler|cxx-compiler|compilers|make|autoconf|automake|perl.*"
    r"|openjdk|java.*|maven|nodejs|yarn|git|git-lfs|curl|wget|ffmpeg|poppler|tesseract|graphviz|pandoc|imagemagick"
    r"|openmpi|mpich|mpi|geos|proj|gdal|libgdal|postgis|hdf5|libnetcdf|unixodbc|freetds|mysql|postgresql|libpq|redis"
    r"|glib|gtk.*|qt|qt-main|cairo|pango|boost|boost-cpp|eigen|swig|rust|go|julia|cuda|cuda-nvcc|cuda-toolkit.*"
    r"|cudatoolkit-dev|nvcc.*|htslib|samtools|bcftools|bedtools|bwa|blast|libxml2|libxslt|fontconfig|freetype"
)
