"""Reads a page as a browser would, far enough to ask what it says."""

from html.parser import HTMLParser


class Reader(HTMLParser):
    """Collects elements with their attributes, the text outside scripts and styles, and the cells of tables.

    Attributes:
        elements: (tag, attributes) in order.
        text: all that is shown, and titles in charts.
        tables: by id, rows of (attributes of the row, [(tag, attributes, text, values of its <data>)]).
        scripts: (attributes, text) of each.
    """

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self.tables, self.scripts, self.open = [], "", {}, [], []
        self.table = self.row = self.cell = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.elements.append((tag, known))
        self.open.append(tag)
        if tag == "table":
            self.table = self.tables.setdefault(known.get("id", f"table {len(self.tables)}"), [])
        elif tag == "tr" and self.table is not None:
            self.row = (known, [])
            self.table.append(self.row)
        elif tag in ("td", "th") and self.row is not None:
            self.cell = [tag, known, "", []]
            self.row[1].append(self.cell)
        elif tag == "data" and self.cell is not None:
            self.cell[3].append(known["value"])
        elif tag == "script":
            self.scripts.append((known, ""))

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass
        if tag in ("td", "th"):
            self.cell = None

    def handle_data(self, text):
        if self.open and self.open[-1] == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + text)
        elif not (self.open and self.open[-1] == "style"):
            self.text += text
            if self.cell is not None:
                self.cell[2] += text

    def attributes(self, tag: str, name: str) -> list[str]:
        """Return an attribute of each element of a tag that has it."""
        return [known[name] for each, known in self.elements if each == tag and name in known]
