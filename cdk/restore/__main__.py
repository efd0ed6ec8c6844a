"""`make restore-drill`: can the database be had back? Of a deployment on AWS, or of what runs on this machine."""

import argparse
import signal
import sys

from botocore.exceptions import BotoCoreError, ClientError

from cdk.local import stack
from cdk.local.instance import Instance, LocalStackError
from cdk.restore import aws, here
from cdk.restore.cluster import Clients
from cdk.restore.comparison import RestoreError


def main() -> None:
    """Do a drill and say what came of it; a drill that fails or cannot be done ends with 1."""
    parser = argparse.ArgumentParser(prog="make restore-drill", description=__doc__)
    parser.add_argument("--name", default="DynoAgent", help="the deployment's name, as in -c name=")
    parser.add_argument("--stack", help="a stack of this machine instead, by its folder in .run/")
    arguments = parser.parse_args()
    # What was made is deleted on the way out, also if somebody ends it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments.stack:
            done = here.drill(stack.running(Instance.named(arguments.stack)).database_port)
        else:
            done = aws.drill(Clients.of_the_caller(), arguments.name)
    except (RestoreError, LocalStackError, BotoCoreError, ClientError) as error:
        sys.exit(f"the drill could not be done: {error}")
    print("\n".join(done.lines))
    sys.exit(bool(done.verdict.faults))


if __name__ == "__main__":
    main()
