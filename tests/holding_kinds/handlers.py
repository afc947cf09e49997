"""Handlers, encoders and callbacks that the standard library is given."""

from __future__ import annotations

import argparse
import ast
import contextlib
import email.message
import functools
import http.client
import http.server
import io
import json
import re
import selectors
import socket
import socketserver
import sqlite3
import threading
import wsgiref.handlers
import wsgiref.util
import xml.parsers.expat
import xml.sax

from .notes import NOTES, noted
from .table import holding


@holding("def f(value): return 'old'")
def default_of_json(app):
    return functools.partial(json.JSONEncoder(default=app.f).encode, object())


@holding("def f(pairs): return 'old'")
def object_hook_of_json(app):
    return functools.partial(json.JSONDecoder(object_hook=app.f).decode, '{"a": 1}')


@holding("def f(match): return 'old'")
def replacement_of_a_regular_expression(app):
    substitute = functools.partial(re.compile("x").sub, app.f)
    return lambda: substitute("axb")


@holding("def f(scanner, token): return 'old'")
def action_of_a_scanner(app):
    return functools.partial(re.Scanner([("x", app.f)]).scan, "x")


@holding("def f(text): return 'old'")
def type_of_an_argument(app):
    parser = argparse.ArgumentParser()
    parser.add_argument("--level", type=app.f)
    return lambda: parser.parse_args(["--level", "1"]).level


@holding("def f(arguments): return 'old'")
def function_of_a_subcommand(app):
    def call():
        arguments = parser.parse_args(["go"])
        return arguments.run(arguments)

    parser = argparse.ArgumentParser()
    parser.add_subparsers().add_parser("go").set_defaults(run=app.f)
    return call


@holding(
    """
import argparse
class A(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        namespace.level = "old"
""",
    "A.__call__",
)
def action_of_an_argument(app):
    parser = argparse.ArgumentParser()
    parser.add_argument("--level", action=app.A)
    return lambda: parser.parse_args(["--level", "1"]).level


@holding(NOTES)
def handler_of_a_c_parser(app):
    parsers = [xml.parsers.expat.ParserCreate() for _ in range(3)]
    for parser in parsers:
        parser.StartElementHandler = app.f
    return noted(lambda: parsers.pop().Parse("<a/>", True))


@holding("def f(value): return 'old'")
def function_of_a_database(app):
    connection = sqlite3.connect(":memory:")
    connection.create_function("f", 1, app.f)
    yield lambda: connection.execute("select f(1)").fetchone()
    connection.close()


@holding(
    "def f(a, b): return {'old': -1, 'new': 1}['old'] * ((a > b) - (a < b))",
    new="def f(a, b): return (a > b) - (a < b)\n",
)
def collation_of_a_database(app):
    connection = sqlite3.connect(":memory:")
    connection.create_collation("f", app.f)
    query = "select x from (select 'new' x union all select 'old') order by x collate f limit 1"
    yield lambda: connection.execute(query).fetchone()
    connection.close()


@holding("def f(cursor, row): return 'old'")
def row_factory_of_a_database(app):
    connection = sqlite3.connect(":memory:")
    connection.row_factory = app.f
    yield lambda: connection.execute("select 1").fetchone(), lambda: connection.row_factory is app.f
    connection.close()


@holding("def f(key): return 'old'")
def data_of_a_selector(app):
    left, right = socket.socketpair()
    with selectors.DefaultSelector() as selector, left, right:
        selector.register(left, selectors.EVENT_WRITE, app.f)
        yield lambda: [key.data(key) for key, _ in selector.select(10)]


@contextlib.contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@holding(
    """
import socketserver
class H(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"old")
""",
    "H.handle",
)
def request_handler_of_a_socket_server(app):
    def call():
        with socket.create_connection(address, 10) as connection:
            return connection.recv(10)

    with serving(socketserver.TCPServer(("127.0.0.1", 0), app.H)) as address:
        yield call


@holding(
    """
import http.server
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"old")
    def log_message(self, *args):
        pass
""",
    "H.do_GET",
)
def request_handler_of_an_http_server(app):
    def call():
        connection = http.client.HTTPConnection(*address, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/")
            return connection.getresponse().read()

    with serving(http.server.HTTPServer(("127.0.0.1", 0), app.H)) as address:
        yield call


@holding("""
def f(environ, start_response):
    start_response("200 OK", [])
    return [b"old"]
""")
def wsgi_application(app):
    def call():
        environ, output = {}, io.BytesIO()
        wsgiref.util.setup_testing_defaults(environ)
        handler = wsgiref.handlers.SimpleHandler(io.BytesIO(), output, io.StringIO(), environ)
        handler.run(held)
        return output.getvalue().rpartition(b"\r\n")[2]

    held = app.f
    return call


@holding(
    """
import cmd
from holding_kinds.notes import seen
class Shell(cmd.Cmd):
    def do_go(self, line):
        seen.append("old")
""",
    "Shell.do_go",
)
def command_found_by_its_name(app):
    held = app.Shell(stdin=io.StringIO(), stdout=io.StringIO())
    return noted(lambda: held.onecmd("go"))


@holding(
    """
import ast
class V(ast.NodeVisitor):
    def visit_Name(self, node):
        return "old"
""",
    "V.visit_Name",
)
def visitor_found_by_its_name(app):
    return functools.partial(app.V().visit, ast.parse("x", mode="eval").body)


@holding(
    """
import html.parser
from holding_kinds.notes import seen
class P(html.parser.HTMLParser):
    def handle_data(self, data):
        seen.append("old")
""",
    "P.handle_data",
)
def handler_found_by_its_name(app):
    return noted(lambda: app.P().feed("text<br>"))


@holding(
    """
import xml.sax
from holding_kinds.notes import seen
class H(xml.sax.ContentHandler):
    def startElement(self, name, attrs):
        seen.append("old")
""",
    "H.startElement",
)
def content_handler_of_a_parser(app):
    held = app.H()
    return noted(lambda: xml.sax.parseString(b"<a/>", held))


@holding(
    """
import string
class F(string.Formatter):
    def get_value(self, key, args, kwargs):
        return "old"
""",
    "F.get_value",
)
def method_that_a_base_class_calls(app):
    return functools.partial(app.F().format, "{x}")


@holding(
    """
import email.policy
class P(email.policy.EmailPolicy):
    def header_fetch_parse(self, name, value):
        return "old"
""",
    "P.header_fetch_parse",
)
def method_of_a_policy_object(app):
    message = email.message.EmailMessage(app.P())
    message["Subject"] = "text"
    return lambda: message["Subject"]
