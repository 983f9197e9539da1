"""Stands for the Azure command line where there is no Azure: keeps what was made in a file, and writes down each call.

Run as a program of the name `az`; AZ_STATE names the file. It answers the queries that `canalis deploy` asks and knows
nothing else: a call that it does not expect fails. That the real one takes these words was tried by hand (2.91.0).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def main(words: list[str]) -> str:
    file = Path(os.environ["AZ_STATE"])
    state = json.loads(file.read_text()) if file.exists() else {"calls": []}
    state["calls"].append(words)
    try:
        return answer(words, dict(zip(words, words[1:], strict=False)), state)
    finally:
        file.write_text(json.dumps(state))


def answer(words: list[str], given: dict[str, str], state: dict) -> str:
    command = " ".join(words[: next((i for i, word in enumerate(words) if word.startswith("-")), len(words))])
    if state.get("fails") == command:
        sys.exit(f"ERROR: {command} was refused")
    match command:
        case "account show":
            if state.get("signed_out"):
                sys.exit("ERROR: Please run 'az login' to setup account.")
            return json.dumps({"user": {"name": "ada"}, "tenantId": "t", "id": "sub-1", "name": "Pay as you go"})
        case "ad app list" | "ad sp list":
            return state.get(command, "")
        case "ad app create":
            state["ad app list"] = "app-1"
            return "app-1"
        case "ad app show":
            assert given["--id"] == "app-1"
            return "object-1"
        case "ad app update" | "ad sp update":
            return ""
        case "ad sp create":
            state["ad sp list"] = "principal-1"
            return "principal-1"
        case "ad signed-in-user show":
            return "person-1"
        case "rest":
            return rest(given, state)
        case "group create":
            state["group"] = given["--name"]
            return ""
        case "resource list":
            return "/subscriptions/sub-1/vault-1" if state.get("deployed") else ""
        case "deployment group create":
            assert state["group"] == given["--resource-group"] and Path(given["--template-file"]).is_file()
            values = dict(word.split("=", 1) for word in words if "=" in word)
            state["deployed"] = {**state.get("deployed", {}), **values}
            state["keys"] = state.get("keys", 0) + (values["makeRunKey"] == "true")
            return ""
        case "deployment group show":
            return {"app": "canalis-x", "url": os.environ["AZ_URL"]}[given["--query"].split(".")[2]]
        case "functionapp deployment source config-zip":
            assert Path(given["--src"]).read_bytes()[:2] == b"PK" or os.environ.get("AZ_NO_ZIP")
            return ""
    sys.exit(f"ERROR: not expected: {words}")


def rest(given: dict[str, str], state: dict) -> str:
    url, method = given["--url"], given["--method"]
    if given.get("--body", "").startswith("@"):
        json.loads(Path(given["--body"][1:]).read_text())
    if url.endswith("/applications/object-1") and method == "PATCH":
        return ""
    if url.endswith("/servicePrincipals/principal-1/appRoleAssignedTo"):
        if method == "POST":
            asked = json.loads(given["--body"])
            assert (asked["principalId"], asked["resourceId"]) == ("person-1", "principal-1")
            assert "assigned" not in state, "Permission being assigned already exists on the object"
            state["assigned"] = asked["appRoleId"]
        return state.get("assigned", "")
    if url == "/subscriptions/sub-1/vault-1/secrets?api-version=2023-07-01":
        return "false" if state.get("keys") else "true"
    if "/Microsoft.Consumption/budgets" in url:
        return state.get("deployed", {}).get("budgetStart", "")
    sys.exit(f"ERROR: not expected: {method} {url}")


if __name__ == "__main__":
    print(main(sys.argv[1:]))
