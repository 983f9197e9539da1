"""The version, in the one place that others read."""

VERSION = "0.1.0"
V1_VERSION = "1.61.0"  # of the SDK whose behaviour this follows; what azureml.core.VERSION says
