#!/usr/bin/env python3
"""Two nights of a small database, as directories of rethinkdb export: DIR/night1, DIR/night2.

Three tables, one of two shards and one that is large enough for a dictionary; in the second night
some documents are new, changed and gone, and there is a fourth table.
"""
import json
import os
import sys


def text(n):
    """Some words that differ from one document to the next."""
    words = []
    for i in range(380):
        n = (n * 1103515245 + 12345 + i) % 2**31
        words.append("abcdefghijklmnop"[n >> 8 & 15] * 3 + str(n >> 12 & 255))
    return " ".join(words)


def night(directory, tables):
    os.makedirs(os.path.join(directory, "shop"))
    for name, documents, parts in tables:
        info = {"db": {"id": "d", "name": "shop", "type": "DB"}, "doc_count_estimates": parts,
                "id": name, "indexes": [], "name": name, "primary_key": "id", "type": "TABLE",
                "write_hook": None}
        path = os.path.join(directory, "shop", name)
        with open(path + ".info", "w") as file:
            json.dump(info, file)
        with open(path + ".json", "w") as file:
            json.dump(documents, file)


users = [{"id": f"user-{n:02}", "name": f"Name {n}", "n": n} for n in range(14)]
orders = [{"id": n, "user": f"user-{n % 14:02}", "items": [n, n + 1]} for n in range(30)]
large = [{"id": n, "text": text(n)} for n in range(110)]
night(os.path.join(sys.argv[1], "night1"),
      [("users", users, [14]), ("orders", orders, [15, 15]), ("large", large, [110])])
users[3]["name"] = "Changed"
del users[5]
orders[20]["items"] = []
orders.append({"id": 99, "user": "new", "items": []})
large[50]["text"] = text(4711)
night(os.path.join(sys.argv[1], "night2"),
      [("users", users, [14]), ("orders", orders, [15, 15]), ("large", large, [110]),
       ("extra", users[:2], [2])])
