"""boto3 looks before it calls."""

from common import client, run

lam = client()
ARN = "arn:aws:lambda:eu-west-1:000000000000:function:"


def all_functions_in_pages():
    first = lam.list_functions(MaxItems=4)
    assert len(first["Functions"]) == 4 and first["NextMarker"], first
    rest = lam.list_functions(Marker=first["NextMarker"])
    assert "NextMarker" not in rest, rest
    names = [function["FunctionName"] for function in first["Functions"] + rest["Functions"]]
    assert names == ["echo", "echo.prod", "later", "once", "raises", "streams", "throttled"], names
    pages = lam.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 1})
    assert [function["FunctionName"] for page in pages for function in page["Functions"]] == names


def one_function():
    answer = lam.get_function(FunctionName="echo")["Configuration"]
    assert answer["FunctionArn"] == ARN + "echo" and answer["State"] == "Active", answer
    assert (answer["MemorySize"], answer["Timeout"], answer["Architectures"]) == (128, 30, ["x86_64"]), answer
    assert answer["Version"] == "$LATEST" and answer["LastUpdateStatus"] == "Successful", answer


def its_configuration():
    assert lam.get_function_configuration(FunctionName=ARN + "echo")["FunctionName"] == "echo"
    # What waits for a function to be ready finds that it is.
    lam.get_waiter("function_active_v2").wait(FunctionName="echo", WaiterConfig={"MaxAttempts": 1})


def an_unknown_one():
    try:
        lam.get_function(FunctionName="ekho")
    except lam.exceptions.ResourceNotFoundException as error:
        assert ARN + "ekho" in str(error)
    else:
        raise AssertionError("found")


def tags():
    assert lam.list_tags(Resource=ARN + "echo")["Tags"] == {}


def concurrency():
    assert "ReservedConcurrentExecutions" not in lam.get_function_concurrency(FunctionName="echo")


def versions_and_aliases():
    versions = lam.list_versions_by_function(FunctionName="echo")["Versions"]
    assert [version["Version"] for version in versions] == ["$LATEST"]
    assert lam.list_aliases(FunctionName="echo")["Aliases"] == []


def the_account():
    settings = lam.get_account_settings()
    assert settings["AccountLimit"]["ConcurrentExecutions"] == 4096 and settings["AccountUsage"]["FunctionCount"] == 7


run(
    [
        all_functions_in_pages,
        one_function,
        its_configuration,
        an_unknown_one,
        tags,
        concurrency,
        versions_and_aliases,
        the_account,
    ]
)
