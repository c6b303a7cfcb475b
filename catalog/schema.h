/* The tables of catalog.db and queue.db (thinkback-catalog(5)). Private to catalog/. Pure. */
#ifndef THINKBACK_CATALOG_SCHEMA_H
#define THINKBACK_CATALOG_SCHEMA_H

#include "catalog/db.h"

/* schema_catalog(), schema_queue(): the kind of each database; static. */
const struct db_schema *schema_catalog(void);
const struct db_schema *schema_queue(void);

#endif
