"""A lookup for every text field: ``text__shouts="HELLO"``."""

from django.db.models import CharField, Lookup


class Shouts(Lookup):
    """Compares in capitals."""

    lookup_name = "shouts"

    def as_sql(self, compiler, connection):
        left, left_values = self.process_lhs(compiler, connection)
        right, right_values = self.process_rhs(compiler, connection)
        return f"UPPER({left}) = UPPER({right})", [*left_values, *right_values]


def register():
    CharField.register_lookup(Shouts)
