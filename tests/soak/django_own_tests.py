"""Runs Django's own tests in a process in which apps were loaded and unloaded before.

``python django_own_tests.py TESTS CYCLES LABEL…``: TESTS is the folder ``tests`` of Django's source
distribution, of the version that is installed; with 0 cycles it is a plain run. The last line says
how many tests ran, and which failed, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

LABELS = [
    *(
        "admin_autodiscover",
        "admin_checks",
        "admin_changelist",
        "admin_registration",
        "admin_views",
    ),
    *("app_loading", "apps", "auth_tests", "base", "check_framework", "contenttypes_tests"),
    *("custom_lookups", "deprecation", "dispatch", "field_deconstruction", "handlers", "i18n"),
    *("inspectdb", "managers_regress", "middleware", "migrate_signals", "migrations"),
    *("model_meta", "model_inheritance", "proxy_models", "schema", "settings_tests", "signals"),
    *("staticfiles_tests", "swappable_models", "template_loader", "template_tests"),
    *("test_client", "test_utils", "urlpatterns", "urlpatterns_reverse", "user_commands"),
]


def cycle() -> None:
    """One app loaded, reloaded with a new field, disabled, enabled and unloaded."""
    from django_load import FIELD
    from django_support import copy_app

    import livepatch as lp

    folder = Path(sys.path[0])
    app = copy_app(folder)
    lp.django.load_app("notes")
    app.edit("models.py", "# more fields", FIELD)
    lp.django.reload_app("notes")
    lp.django.disable_app("notes")
    lp.django.enable_app("notes")
    lp.django.unload_app("notes")


def main(tests: str, cycles: int, labels: list[str]) -> int:
    """Run the labels; the exit code says nothing: Django's tests may fail here without us."""
    here = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as apps:
        os.chdir(tests)
        sys.path[:0] = [apps, tests, str(here), str(here.parent)]
        # As in runtests.py: some of the tests write beside the temporary folder that they get.
        scratch = Path(apps) / "scratch"
        scratch.mkdir()
        tempfile.tempdir = os.environ["TMPDIR"] = str(scratch)
        import runtests
        from django.test.runner import DiscoverRunner

        plain = DiscoverRunner.run_suite
        results = []

        def run_suite(self, suite, **options):
            for _ in range(cycles):
                cycle()
            result = plain(self, suite, **options)
            results.append(result)
            return result

        DiscoverRunner.run_suite = run_suite
        runtests.django_tests(
            verbosity=0,
            interactive=False,
            failfast=False,
            keepdb=False,
            reverse=False,
            test_labels=labels or LABELS,
            debug_sql=False,
            parallel=1,
            tags=None,
            exclude_tags=None,
            test_name_patterns=None,
            start_at=None,
            start_after=None,
            pdb=False,
            buffer=True,
            timing=False,
            shuffle=False,
        )
    (result,) = results
    failed = sorted(str(test) for test, _ in (*result.failures, *result.errors))
    print(json.dumps({"ran": result.testsRun, "skipped": len(result.skipped), "failed": failed}))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("RUNTESTS_DIR", sys.argv[1])
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "test_sqlite")
    raise SystemExit(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
