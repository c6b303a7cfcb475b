/*
 * Inode numbers: computed, 63 bits, never used twice, the same after a remount. A document's number
 * is made of (pack, ordinal), which names a version for ever, so a version has the same inode
 * number in every date that shows it. Pure; any thread.
 *
 *   bit 62 set    a document: 30 bits of pack number, 32 bits of ordinal
 *   bit 62 clear  bits 61..56 kind, bits 55..0 numbers of that kind
 *   1             the root
 */
#ifndef THINKBACK_FS_INODE_H
#define THINKBACK_FS_INODE_H

#include <stdbool.h>
#include <stdint.h>

/* The values are part of the numbers: new kinds go to the end. */
enum inode_kind {
	INODE_ROOT,
	INODE_DATABASE,      /* a: database */
	INODE_TABLE,         /* a: table */
	INODE_SHARD,         /* a: table, b: shard */
	INODE_LATEST,        /* a: snapshot, b: shard: the symbolic link to that date */
	INODE_DATE,          /* a: snapshot, b: shard: a directory of documents */
	INODE_TABLE_JSON,    /* a: snapshot, b: shard */
	INODE_DOCUMENT,      /* a: pack, b: ordinal */
	INODE_RESTORE,       /* a: table: the directory .restore */
	INODE_RESTORE_STATE, /* a: table, b: enum queue_state of the directory (pending, done,
				failed) */
	INODE_QUEUED,        /* a: restore: its payload as a file */
	INODE_QUEUED_ERROR,  /* a: restore: its error as a file */
	INODE_SCRATCH,       /* a: number given by the inbox */
	INODE_SCRATCH_DIR    /* a: number given by the inbox: rsync's .~tmp~ */
};

struct inode {
	enum inode_kind kind;
	int64_t a;  /* up to 2^50, a document's pack up to 2^30 */
	uint32_t b; /* up to 63, a document's ordinal up to 2^32 - 1 */
};

#define INODE_ROOT_NUMBER 1

/* inode_pack(i): the number of an inode; 0 when a or b is out of range. */
uint64_t inode_pack(struct inode i);

/* inode_unpack(number, out): the reverse. Return false when no inode has this number. */
bool inode_unpack(uint64_t number, struct inode *out);

#endif
