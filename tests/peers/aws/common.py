"""What the boto3 scripts share: a client that repeats nothing, and a line for every scenario that went well."""

import os
import traceback
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT = os.environ["AWS_ENDPOINT_URL_LAMBDA"]


def client(**changes):
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=60)
    return boto3.client("lambda", config=config, **changes)


def refused(call, **arguments):
    """The code, status and error of a call that must be refused."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        answer = error.response
        metadata = answer["ResponseMetadata"]
        assert metadata["HTTPHeaders"]["content-type"] == "application/json", metadata
        assert metadata["RequestId"], metadata
        return answer["Error"]["Code"], metadata["HTTPStatusCode"], error
    raise AssertionError(f"not refused: {answer}")


def run(scenarios):
    """Runs them all; the first that fails ends the script."""
    for scenario in scenarios:
        try:
            more = scenario()
        except BaseException:
            traceback.print_exc()
            sys.exit(f"failed: {scenario.__name__}")
        print("ok", more or scenario.__name__, flush=True)
