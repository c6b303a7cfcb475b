#!/usr/bin/env python3
"""What a second, independent implementation says of archives, documents and file names.

Scenarios compare the program with this one. It is slow, keeps whole archives in memory, and knows
only the formats: dump archives, canonical JSON, primary keys, file names.
"""
import base64
import calendar
import errno
import glob
import gzip
import hashlib
import io
import json
import os
import re
import stat
import struct
import sys
import tarfile
import time


# ---- canonical JSON ---------------------------------------------------------------------------

def number(value):
    """The text of a number as the server prints it."""
    if isinstance(value, int):
        if abs(value) <= 2**53:
            return str(value)
        value = float(value)
    if value == int(value) and abs(value) <= 2**53:
        return "-0.0" if value == 0 and str(value)[0] == "-" else str(int(value))
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = f"{repr(abs(value))}e0".partition("e")
    exponent = int(exponent.split("e")[0])
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    exponent -= len(fraction)
    exponent += len(digits) - len(digits.rstrip("0"))
    digits = digits.strip("0")
    point = len(digits) + exponent
    if exponent >= 0 and point <= 21:
        return f"{sign}{digits}{'0' * exponent}.0"
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{rest}e{point - 1}"


def string(text):
    """A JSON string with the fewest escapes."""
    short = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f",
             "\r": "\\r"}
    return '"' + "".join(short.get(c) or (c if c >= " " else f"\\u{ord(c):04X}")
                         for c in text) + '"'


def canonical(value):
    """The one text of a JSON value."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, str):
        return string(value)
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    members = sorted(value.items(), key=lambda item: item[0].encode())
    return "{" + ",".join(string(k) + ":" + canonical(v) for k, v in members) + "}"


# ---- keys and names ---------------------------------------------------------------------------

def number_key(value):
    """A number in store-key bytes."""
    value = float(value) + 0.0
    bits, = struct.unpack(">Q", struct.pack(">d", value))
    bits = ~bits & (2**64 - 1) if bits >> 63 else bits | 1 << 63
    return f"{bits:016x}#{'%.20g' % value}".encode()


def store_key(value):
    """The server's bytes of a primary key."""
    if isinstance(value, bool):
        return b"Bt" if value else b"Bf"
    if isinstance(value, (int, float)):
        return b"N" + number_key(value)
    if isinstance(value, str):
        return b"S" + value.encode()
    if isinstance(value, list):
        return b"A" + b"".join(store_key(v) + b"\0" for v in value)
    if value.get("$reql_type$") == "BINARY":
        data = base64.b64decode(value["data"])
        return b"PBINARY:" + data.replace(b"\1", b"\1\2").replace(b"\0", b"\1\1")
    if value.get("$reql_type$") == "TIME":
        return b"PTIME:" + number_key(value["epoch_time"])
    raise ValueError(f"no key: {value}")


def key_value(value):
    """A key as it comes back from store-key bytes: zones and the sign of zero are lost."""
    if isinstance(value, list):
        return [key_value(v) for v in value]
    if isinstance(value, dict) and value["$reql_type$"] == "TIME":
        return {**value, "timezone": "+00:00"}
    if isinstance(value, float) and value == 0:
        return 0
    return value


def escaped(text, leading):
    """The units of an encoded name."""
    for i, c in enumerate(text):
        if c in "%/" or c < " " or c == "\x7f" or (leading and i == 0 and c in ".="):
            yield f"%{ord(c):02X}"
        else:
            yield c


def file_name(value):
    """The file name of a document by its primary key."""
    if isinstance(value, str):
        units = list(escaped(value, True)) or ["%"]
    else:
        units = ["="] + list(escaped(canonical(key_value(value)), False))
    name = "".join(units)
    if len(name.encode()) + 5 <= 255:
        return name + ".json"
    kept, room = "", 255 - 5 - 2 - 32
    for unit in units:
        if len((kept + unit).encode()) > room:
            break
        kept += unit
    return f"{kept}%~{hashlib.sha256(store_key(value)).hexdigest()[:32]}.json"


# ---- archives ---------------------------------------------------------------------------------

def read_archive(path):
    """{"DB.TABLE": (primary key, info, {store key: document})} of a dump archive."""
    documents, infos = {}, {}
    with tarfile.open(path) as archive:
        for member in archive:
            _, database, name = member.name.split("/")
            table, _, kind = name.rpartition(".")
            text = json.load(archive.extractfile(member))
            (infos if kind == "info" else documents)[f"{database}.{table}"] = text
    tables = {}
    for name, rows in documents.items():
        primary = infos[name]["primary_key"]
        tables[name] = primary, infos[name], {store_key(row[primary]): row for row in rows}
    return tables


def counts(*paths):
    """For each archive and table: documents, new, changed, deleted against the one before."""
    before = {}
    for number_of, path in enumerate(paths, 1):
        tables = read_archive(path)
        for name, (_, _, rows) in sorted(tables.items()):
            old = before.get(name, (None, None, {}))[2]
            changed = sum(canonical(row) != canonical(old[key])
                          for key, row in rows.items() if key in old)
            print(number_of, name, len(rows), len(rows.keys() - old.keys()), changed,
                  len(old.keys() - rows.keys()))
        before = tables


def archive_date(path):
    """The date in the name of an archive as the tree shows it; the archive's time is UTC here."""
    return re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", path)[0].replace(":", "-") + "Z"


def seconds(date):
    """A date of the tree in seconds since 1970."""
    return calendar.timegm(time.strptime(date, "%Y-%m-%dT%H-%M-%SZ"))


def versions(paths):
    """{"DB.TABLE": {date: {name: (text, date of its first appearance, number of dates)}}}, names
    in key order, and {"DB.TABLE": number of shards at that date}."""
    tables, shards = {}, {}
    for path in paths:
        for table, (primary, about, rows) in read_archive(path).items():
            names = {file_name(rows[key][primary]): canonical(rows[key]).encode() + b"\n"
                     for key in sorted(rows)}
            tables.setdefault(table, {})[archive_date(path)] = names
            shards[table, archive_date(path)] = len(about["doc_count_estimates"])
    result = {}
    for table, dates in tables.items():
        spans = {}
        result[table] = {}
        for date, names in dates.items():
            spans = {name: spans[name] if name in spans and spans[name][0] == text
                     else [text, date, 0] for name, text in names.items()}
            for span in spans.values():
                span[2] += 1
            result[table][date] = spans
    return result, shards


def expect(condition, *what):
    """End with a message unless the condition holds."""
    if not condition:
        sys.exit(" ".join(map(str, what)))


def tree(path, out):
    """Write OUT/DB/TABLE/NAME.json for each document of an archive."""
    for name, dates in versions([path])[0].items():
        directory = os.path.join(out, *name.split("."))
        os.makedirs(directory)
        for document, (text, _, _) in dates[archive_date(path)].items():
            with open(os.path.join(directory, document), "xb") as f:
                f.write(text)


def mounted_date(where, names, shards, inodes):
    """Compare one table at one date, in all its shards, with what it should hold."""
    listed = []
    for shard in sorted(glob.glob(f"{where[0]}/shard-*/{where[1]}")):
        entries = [e for e in os.scandir(shard) if e.name != ".table.json"]
        expect(len(os.listdir(shard)) == len(entries) + 1, shard, "has no .table.json")
        listed += [(e.name, e.path, e.inode()) for e in entries]
        shards -= 1
    expect(shards == 0, where, "has another number of shards, by", shards)
    expect([e[0] for e in listed] == list(names), where, "lists other names or in another order:",
           {e[0] for e in listed} ^ set(names))
    for name, path, inode in listed:
        text, date, links = names[name]
        st = os.lstat(path)
        with open(path, "rb") as f:
            expect(f.read() == text, path, "has other bytes")
        expect(st.st_size == len(text), path, "has size", st.st_size)
        expect(st.st_nlink == links, path, "has", st.st_nlink, "links instead of", links)
        expect(st.st_mtime_ns == seconds(date) * 10**9, path, "has mtime", st.st_mtime)
        expect(st.st_ino == inode, path, "has two inode numbers")
        expect(stat.S_ISREG(st.st_mode) and not st.st_mode & 0o222, path, "has mode", st.st_mode)
        version = inodes.setdefault(st.st_ino, (where[0], name, date))
        expect(version == (where[0], name, date), path, "shares its inode with", version)


def mounted(mountpoint, *paths):
    """Compare all that a mount shows of these archives: names, order, bytes, stat, inodes.

    Print how many documents were compared and how many inodes they have.
    """
    tables, shards = versions(paths)
    documents, inodes = 0, {}
    found = {".".join(d.split("/")[-2:]) for d in glob.glob(f"{mountpoint}/*/*")}
    expect(found == set(tables), "tables", found)
    for table, dates in tables.items():
        directory = os.path.join(mountpoint, *table.split("."))
        for date, names in dates.items():
            mounted_date((directory, date), names, shards[table, date], inodes)
            documents += len(names)
        for shard in glob.glob(f"{directory}/shard-*"):
            expect(sorted(os.listdir(shard)) == sorted(dates) + ["latest"], shard, "lists",
                   os.listdir(shard))
            expect(os.readlink(f"{shard}/latest") == max(dates), shard, "has another latest")
    expect(len(inodes) == len({version for version in inodes.values()}), "a version has two inodes")
    print(documents, len(inodes))


def intact(good, live):
    """Compare the files of one tree with another one that may have damage.

    Print how many are the same, and name those that cannot be read for an input/output error; any
    other difference is a failure.
    """
    same, damaged = 0, []
    for directory, _, names in os.walk(good):
        for name in names:
            path = os.path.relpath(os.path.join(directory, name), good)
            with open(os.path.join(good, path), "rb") as f:
                want = f.read()
            try:
                with open(os.path.join(live, path), "rb") as f:
                    expect(f.read() == want, path, "has wrong bytes")
                same += 1
            except OSError as e:
                expect(e.errno == errno.EIO, path, e)
                damaged.append(path)
    print(same)
    print("\n".join(damaged))


def wire(path, primary, *directories):
    """Find each document that the server sent (one a line) by its name in one of the directories.

    Print how many are byte for byte the same, and how many have the same value although the text
    of a number differs; fail for anything else.
    """
    same = equal = 0
    with open(path, "rb") as f:
        for line in f:
            sent = json.loads(line)
            name = file_name(sent[primary])
            found = [d for d in directories if os.path.exists(os.path.join(d, name))]
            if len(found) != 1:
                sys.exit(f"{name} is in {len(found)} shards")
            with open(os.path.join(found[0], name), "rb") as g:
                text = g.read()
            if text == line.rstrip(b"\n") + b"\n":
                same += 1
            elif canonical(json.loads(text)) == canonical(sent) and text.endswith(b"}\n"):
                equal += 1
            else:
                sys.exit(f"{name} differs:\n{text!r}\n{line!r}")
    print(same, equal)


# ---- making archives --------------------------------------------------------------------------

def info(database, table, primary, shards=(1,)):
    """The .info of a table as rethinkdb dump writes it."""
    return {"db": {"id": "00000000-0000-4000-8000-000000000001", "name": database, "type": "DB"},
            "doc_count_estimates": list(shards), "id": "00000000-0000-4000-8000-000000000002",
            "indexes": [], "name": table, "primary_key": primary, "type": "TABLE",
            "write_hook": None}


def print_info(database, table, primary="id", *shards):
    """Print an .info."""
    print(json.dumps(info(database, table, primary, list(map(int, shards)) or [1])))


def archive(out, *members):
    """archive OUT NAME FILE [NAME FILE]...: a dump archive with these members, in this order."""
    with tarfile.open(out, "w:gz", compresslevel=1) as tar:
        for name, path in zip(members[::2], members[1::2]):
            entry = tarfile.TarInfo(name)
            entry.size = os.path.getsize(path)
            with open(path, "rb") as f:
                tar.addfile(entry, f)


def generate(out, top, count):
    """An archive with the table big.numbers of so many documents, strings of digits as keys."""
    rows = ",\n".join(json.dumps({"id": f"k{i:07d}", "n": i, "text": "x" * (i % 50)})
                      for i in range(int(count)))
    with tarfile.open(out, "w:gz", compresslevel=1) as tar:
        for kind, text in (("json", f"[\n{rows}\n]\n"),
                           ("info", json.dumps(info("big", "numbers", "id")) + "\n")):
            entry = tarfile.TarInfo(f"{top}/big/numbers.{kind}")
            data = text.encode()
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def objects(path):
    """Each line of a file is a JSON object."""
    with open(path, "rb") as f:
        for line in f:
            expect(isinstance(json.loads(line), dict), "no object:", line)


def cut(path, out, percent):
    """The first PERCENT of a file."""
    with open(path, "rb") as f, open(out, "wb") as g:
        data = f.read()
        g.write(data[:len(data) * int(percent) // 100])


def cut_inside(path, out, percent):
    """A whole gzip file of which the tar inside is cut: the archive ends, but too early."""
    with gzip.open(path) as f, gzip.open(out, "wb") as g:
        data = f.read()
        g.write(data[:len(data) * int(percent) // 100])


def flip(path, offset):
    """Turn over all bits of one byte of a file."""
    with open(path, "r+b") as f:
        f.seek(int(offset), os.SEEK_END if int(offset) < 0 else os.SEEK_SET)
        byte = f.read(1)[0]
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte ^ 0xFF]))


COMMANDS = {f.__name__: f for f in (counts, tree, mounted, intact, wire, archive, generate,
                                    objects, cut, cut_inside, flip)}
COMMANDS["info"] = print_info

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"usage: oracle.py {'|'.join(sorted(COMMANDS))} ARGUMENT...")
    COMMANDS[sys.argv[1]](*sys.argv[2:])
