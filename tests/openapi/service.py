"""What takes no token, by example."""

from tests.openapi.described import Answer, Asked, Described

COPY = ("ETag", "Cache-Control")
KNOWN = Asked(headers={"If-None-Match": '"0f343b0931126a20f133d67c2b018a3b"'})

ROUTES = (
    Described(
        "GET /health/live",
        "service",
        "Opens no connection.",
        (Answer("live", 200, {"status": "live"}),),
        asks_database=False,
    ),
    Described(
        "GET /health/ready",
        "service",
        "Opens no connection, so that asking wakes no database.",
        (Answer("ready", 200, {"status": "ready", "release": "2027.5"}),),
        asks_database=False,
    ),
    Described(
        "GET /openapi.json",
        "service",
        "This document. Its server is where it was found.",
        (
            Answer(
                "the document",
                200,
                {"openapi": "3.1.1", "info": {"title": "Dyno-Agent", "version": "1"}},
                headers=COPY,
                schema={"type": "object", "required": ["openapi", "info"]},
                replayed=False,
            ),
            Answer("known", 304, None, KNOWN, headers=COPY, replayed=False),
        ),
        asks_database=False,
    ),
    Described(
        "GET /docs",
        "service",
        "Fetches nothing and runs no script.",
        (
            Answer("a page", 200, '<!doctype html>\n<html lang="en">…', content_type="text/html", headers=COPY),
            Answer("known", 304, None, KNOWN, headers=COPY, replayed=False),
        ),
        asks_database=False,
    ),
)
