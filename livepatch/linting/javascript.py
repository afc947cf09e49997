"""Rules of JavaScript: LP201 to LP203, on the syntax tree of tree-sitter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .findings import Finding
from .rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLBACKS = frozenset(
    {
        *("onUiLoaded", "onUiUpdate", "onAfterUiUpdate", "onOptionsChanged", "onUiTabChange"),
        *("onOptionsAvailable", "onUiUpdated", "onUiReady", "addEventListener", "setTimeout"),
        *("registerExtension", "requestAnimationFrame"),
    }
)
ONE_TIME = frozenset({"onUiUpdate", "onUiUpdated"})
DECLARATIONS = ("function_declaration", "generator_function_declaration", "class_declaration")
VARIABLES = ("lexical_declaration", "variable_declaration")
HARMLESS = ("comment", "import_statement", "export_statement", "empty_statement", "hash_bang_line")


def parser() -> Any:
    """A parser of JavaScript; None where the packages are not installed."""
    try:
        import tree_sitter
        import tree_sitter_javascript
    except ImportError:
        return None
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_javascript.language()))


class _Script:
    def __init__(self, shown: str, text: str, extension: str) -> None:
        self.shown = shown
        self.source = text.encode()
        self.prefixes = prefixes_of(extension)

    def text(self, node: Any) -> str:
        return self.source[node.start_byte : node.end_byte].decode(errors="replace")

    def end_of(self, node: Any, length: int) -> str:
        """The last bytes of a node, which may be a chain of calls as long as the file."""
        begin = max(node.start_byte, node.end_byte - length)
        return self.source[begin : node.end_byte].decode(errors="replace")

    def finding(self, node: Any, code: str, message: str) -> Finding:
        line = node.start_point[0] + 1
        return Finding(self.shown, line, code, message, RULES[code].fix)


def javascript(
    parser: Any, shown: str, text: str, extension: str, *, has_callbacks: bool = True
) -> list[Finding]:
    """The findings in a file.

    Args:
        parser: of :func:`parser`.
        shown: the file's path as findings show it.
        text: the file.
        extension: the extension's name: global names shall begin with it.
        has_callbacks: whether the webui calls functions of the page's scripts, as A1111 does.
    """
    script = _Script(shown, text, extension)
    root = parser.parse(script.source).root_node
    broken = _first_error(root)
    if broken is not None:
        return [script.finding(broken, "LP001", "the file is not valid JavaScript from here on")]
    statements = root.named_children
    is_module = any(n.type in ("import_statement", "export_statement") for n in statements)
    found = [*_globals(script, statements)] if not is_module else []
    if not has_callbacks:
        return found
    return [*found, *_work(script, statements), *_one_time(script, root)]


def prefixes_of(extension: str) -> set[str]:
    """What names of an extension may begin with: its words, and the first letters of its words.

    Example:
        >>> sorted(prefixes_of("sd-webui-prompt-tools"))
        ['prompt', 'prompttools', 'pt', 'sdwebuiprompttools', 'swpt', 'tools']
    """
    words = [w.lower() for w in re.findall(r"[A-Za-z][a-z]*|\d+", extension.replace("_", "-"))]
    own = [w for w in words if w not in ("sd", "webui", "extension", "a", "comfyui", "forge")]
    initials = {"".join(w[0] for w in names) for names in (words, own) if len(names) > 1}
    return {"".join(own), "".join(words), *initials, *(w for w in own if len(w) > 2)} - {""}


def _walk(node: Any, is_passed_over: Callable[[Any], bool] | None = None) -> Iterator[Any]:
    """A node and all below it, in their order; without recursion, however deep they lie."""
    cursor = node.walk()
    while True:
        here = cursor.node
        is_taken = is_passed_over is None or not is_passed_over(here)
        if is_taken:
            yield here
        if is_taken and cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def _first_error(root: Any) -> Any:
    """Where the parser first met what is not JavaScript; None: nowhere."""
    for node in _walk(root, lambda node: not (node.has_error or node.is_missing)):
        if node.type == "ERROR" or node.is_missing:
            return node
    return None


def _globals(script: _Script, statements: list[Any]) -> Iterator[Finding]:
    for statement in statements:
        for node in _names_declared(statement):
            name = script.text(node)
            bare = name.lstrip("_$").lower().replace("_", "")
            if not any(bare.startswith(prefix) for prefix in script.prefixes):
                yield script.finding(node, "LP201", f"the global name {name} is not prefixed")


def _names_declared(statement: Any) -> Iterator[Any]:
    if statement.type in DECLARATIONS:
        yield statement.child_by_field_name("name")
    elif statement.type in VARIABLES:
        for declarator in statement.named_children:
            name = declarator.child_by_field_name("name")
            if name is not None and name.type == "identifier":
                yield name
            elif name is not None:
                yield from _identifiers(name)
    elif statement.type == "expression_statement":
        yield from _assigned_to_window(statement.named_children[0])


def _identifiers(pattern: Any) -> Iterator[Any]:
    names = ("identifier", "shorthand_property_identifier_pattern")
    return (node for node in _walk(pattern) if node.type in names)


def _assigned_to_window(node: Any) -> Iterator[Any]:
    """``window.name = …`` and ``name = …`` make global names as well."""
    if node.type != "assignment_expression":
        return
    left = node.child_by_field_name("left")
    if left.type == "identifier":
        yield left
    elif left.type == "member_expression":
        holder = left.child_by_field_name("object")
        if holder.type == "identifier" and holder.text in (b"window", b"globalThis"):
            yield left.child_by_field_name("property")


def _work(script: _Script, statements: list[Any]) -> Iterator[Finding]:
    """LP202: what runs when the file is read, in functions that are called at once as well."""
    waiting = [*reversed(statements)]
    while waiting:
        statement = waiting.pop()
        expression = statement.named_children[:1]
        is_one = statement.type == "expression_statement" and expression
        body = _body_of_iife(expression[0]) if is_one else None
        if body is None:
            yield from _work_of(script, statement)
        else:
            inner = [node for node in body.named_children if node.type != "return_statement"]
            waiting += reversed(inner)


def _work_of(script: _Script, statement: Any) -> Iterator[Finding]:
    if statement.type in (*HARMLESS, *DECLARATIONS):
        return
    if statement.type in VARIABLES:
        for call in _calls(statement):
            if _called(script, call) in _LOOKS:
                yield script.finding(call, "LP202", f"{_called(script, call)}() runs at load")
        return
    if statement.type != "expression_statement":
        if any(True for _ in _calls(statement)):
            kind = statement.type.replace("_", " ")
            yield script.finding(statement, "LP202", f"a {kind} runs at load")
        return
    node = statement.named_children[0]
    if node.type in ("call_expression", "await_expression"):
        name = _called(script, node)
        if name.rpartition(".")[2] not in CALLBACKS and not name.startswith("console."):
            yield script.finding(statement, "LP202", f"{name or 'a function'}() runs at load")
    elif node.type == "assignment_expression":
        for call in _calls(node.child_by_field_name("right")):
            if _called(script, call) in _LOOKS:
                yield script.finding(call, "LP202", f"{_called(script, call)}() runs at load")


_LOOKS = frozenset(
    {
        *("document.getElementById", "document.querySelector", "document.querySelectorAll"),
        *("gradioApp", "fetch", "localStorage.setItem", "gradioApp().querySelector"),
        *("document.createElement", "setInterval"),
    }
)


def _calls(node: Any) -> Iterator[Any]:
    """The calls that happen when a statement runs: not those in functions that it defines."""
    found = _walk(node, _is_run_later) if node is not None else ()
    return (n for n in found if n.type in ("call_expression", "new_expression"))


def _is_run_later(node: Any) -> bool:
    return "function" in node.type or node.type in ("class_body", "method_definition")


def _called(script: _Script, node: Any) -> str:
    while node.type == "await_expression":
        node = node.named_children[0]
    function = node.child_by_field_name("function") or node.child_by_field_name("constructor")
    if function is None:
        return ""
    text = script.end_of(function, 120)
    return text if len(text) < 60 and "\n" not in text else text.rpartition(".")[2][:60]


def _body_of_iife(node: Any) -> Any:
    """The body of ``(function () {…})()``; None where it is none."""
    while node.type in ("parenthesized_expression", "unary_expression", "await_expression"):
        node = node.named_children[0]
    if node.type != "call_expression":
        return None
    function = node.child_by_field_name("function")
    while function is not None and function.type == "parenthesized_expression":
        function = function.named_children[0]
    if function is None or function.type not in ("function_expression", "arrow_function"):
        return None
    body = function.child_by_field_name("body")
    return body if body is not None and body.type == "statement_block" else None


def _one_time(script: _Script, root: Any) -> Iterator[Finding]:
    """LP203: listeners and elements that are made at every update of the page."""
    for node in _walk(root):
        name = _called(script, node) if node.type == "call_expression" else ""
        if name in ONE_TIME:
            yield script.finding(node, "LP203", f"{name} is called on every change of the page")
