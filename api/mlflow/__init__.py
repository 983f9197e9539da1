"""The part of MLflow's REST API that a script needs which logs with MLflow's own client, at MLflow's addresses.

What comes in belongs to runs of ours: metrics, tags and files are theirs, parameters are properties.
Source   MLflow 3.17, mlflow/protos/service.proto; docs/how-to/log-with-mlflow.md
"""
