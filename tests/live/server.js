// What the live tests do to a server through the official driver: server.js COMMAND HOST:PORT PREFIX
// [ARGUMENT...], with COMMAND of fill, change, drop, query,
// lockstep. The databases are PREFIXshop and
// PREFIXtelemetry, the user of the connection is THINKBACK_TEST_USER with THINKBACK_TEST_PASSWORD.
"use strict";
const fs = require("fs");
const path = require("path");
const r = require("rethinkdb");

const wire = path.join(__dirname, "..", "data", "wire");
const tables = [
  ["shop", "orders", "order_no", 2],
  ["shop", "products", "id", 1],
  ["shop", "coupons", "id", 1],
  ["shop", "keys", "id", 1],
  ["telemetry", "devices", "serial", 1],
  ["telemetry", "events", "uuid", 3],
];

// As JSON text, so that the server reads the very bytes. Returns the lines that it took.
async function insert(conn, table, lines) {
  const done = await table.insert(lines.map((line) => r.json(line)), { conflict: "replace" }).run(conn)
    .catch((e) => ({ errors: lines.length, first_error: e.message }));
  if (done.errors === 0) return lines;
  if (lines.length === 1) {
    console.log(`refused: ${lines[0].slice(0, 60)}: ${done.first_error.slice(0, 60)}`);
    return [];
  }
  const taken = [];
  for (const line of lines) taken.push(...await insert(conn, table, [line]));
  return taken;
}

// Makes the databases, and writes to DIRECTORY what each table holds.
async function fill(conn, prefix, directory) {
  for (const db of ["shop", "telemetry"]) await r.dbCreate(prefix + db).run(conn);
  for (const [db, name, key, shards] of tables) {
    await r.db(prefix + db).tableCreate(name, { primaryKey: key, shards }).run(conn)
      .catch(() => r.db(prefix + db).tableCreate(name, { primaryKey: key }).run(conn));
    const table = r.db(prefix + db).table(name);
    const text = fs.readFileSync(path.join(wire, `${db}.${name}.jsonl`), "utf8");
    const lines = text.split("\n").filter((line) => line !== "");
    const taken = [];
    for (let at = 0; at < lines.length; at += 100)
      taken.push(...await insert(conn, table, lines.slice(at, at + 100)));
    fs.writeFileSync(path.join(directory, `${db}.${name}.jsonl`), taken.map((l) => l + "\n").join(""));
  }
  await r.db(prefix + "shop").table("products").indexCreate("tags", { multi: true }).run(conn);
}

async function change(conn, prefix) {
  const orders = r.db(prefix + "shop").table("orders");
  const keys = await orders.orderBy({ index: "order_no" }).limit(3)("order_no").run(conn);
  const list = Array.isArray(keys) ? keys : await keys.toArray();
  await orders.get(list[0]).delete().run(conn);
  await orders.get(list[1]).update({ changed: true }).run(conn);
  await orders.insert({ order_no: "zzzz", fresh: true }).run(conn);
  console.log(JSON.stringify(list));
}

async function drop(conn, prefix) {
  for (const db of ["shop", "telemetry"]) await r.dbDrop(prefix + db).run(conn).catch(() => 0);
}

// Whatever else a scenario wants to say: an expression of r and prefix.
async function query(conn, prefix, expression) {
  const found = await eval(expression).run(conn);
  console.log(JSON.stringify(found && found.toArray ? await found.toArray() : found));
}

// Writes the same number to a low and then to a high key, for ever: who sees the table as it is at
// one moment sees both the same, or the low one ahead by one.
async function lockstep(conn, prefix, name) {
  const table = r.db(prefix + "shop").table(name);
  for (let n = 1; ; n++) {
    await table.get("a-low").update({ step: n }).run(conn);
    await table.get("z-high").update({ step: n }).run(conn);
    if (n === 1) console.log("begun");
  }
}

async function main() {
  const [command, address, prefix, argument] = process.argv.slice(2);
  const [host, port] = address.split(":");
  const conn = await r.connect({ host, port: Number(port), timeout: 20,
    user: process.env.THINKBACK_TEST_USER || "admin",
    password: process.env.THINKBACK_TEST_PASSWORD || "" });
  await { fill, change, drop, query, lockstep }[command](conn, prefix, argument);
  await conn.close({ noreplyWait: false });
}

main().then(() => process.exit(0), (e) => {
  console.error(String(e.message || e).slice(0, 500));
  process.exit(1);
});
