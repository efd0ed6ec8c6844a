"""`make docs`: write docs/openapi.json anew."""

import sys

from tests.openapi.document import PAGE, IncompleteError, rendered

if __name__ == "__main__":
    try:
        PAGE.write_text(rendered())
    except IncompleteError as error:
        sys.exit(str(error))
