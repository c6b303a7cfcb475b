/*
 * Inode numbers: the contracts and the layout are in inode.h. The values of enum inode_kind are
 * part of the numbers, which are kept outside (NFS handles, rsync's and backup programs' notes), so
 * they never change.
 */
#include "fs/inode.h"

#define INODE_DOCUMENT_BIT ((uint64_t)1 << 62)
#define INODE_PACK_BITS 30
#define INODE_ORDINAL_BITS 32
#define INODE_KIND_SHIFT 56
#define INODE_KIND_MASK 63u
#define INODE_A_BITS 50
#define INODE_B_BITS 6

/* Whether the kind has numbers of its own in the small layout, and whether it has a b. */
static bool
inode_kind_is_small(enum inode_kind kind, bool *has_b)
{
	*has_b = false;
	switch (kind) {
	case INODE_SHARD:
	case INODE_LATEST:
	case INODE_DATE:
	case INODE_TABLE_JSON:
	case INODE_RESTORE_STATE:
		*has_b = true;
		return true;
	case INODE_DATABASE:
	case INODE_TABLE:
	case INODE_RESTORE:
	case INODE_QUEUED:
	case INODE_QUEUED_ERROR:
	case INODE_SCRATCH:
	case INODE_SCRATCH_DIR:
		return true;
	case INODE_ROOT:
	case INODE_DOCUMENT:
		return false;
	}
	return false;
}

uint64_t
inode_pack(struct inode i)
{
	bool has_b;

	if (i.kind == INODE_ROOT)
		return i.a == 0 && i.b == 0 ? INODE_ROOT_NUMBER : 0;
	if (i.kind == INODE_DOCUMENT) {
		if (i.a <= 0 || i.a >= (int64_t)1 << INODE_PACK_BITS)
			return 0;
		return INODE_DOCUMENT_BIT | (uint64_t)i.a << INODE_ORDINAL_BITS | i.b;
	}
	if (!inode_kind_is_small(i.kind, &has_b) || i.a <= 0 || i.a >= (int64_t)1 << INODE_A_BITS)
		return 0;
	if (i.b >= 1u << INODE_B_BITS || (!has_b && i.b != 0))
		return 0;
	return (uint64_t)i.kind << INODE_KIND_SHIFT | (uint64_t)i.a << INODE_B_BITS | i.b;
}

bool
inode_unpack(uint64_t number, struct inode *out)
{
	struct inode i = {INODE_ROOT, 0, 0};

	if (number == INODE_ROOT_NUMBER) {
		*out = i;
		return true;
	}
	if ((number & INODE_DOCUMENT_BIT) != 0) {
		i.kind = INODE_DOCUMENT;
		i.a = (int64_t)(number >> INODE_ORDINAL_BITS &
				(((uint64_t)1 << INODE_PACK_BITS) - 1));
		i.b = (uint32_t)number;
	} else {
		i.kind = (enum inode_kind)(number >> INODE_KIND_SHIFT & INODE_KIND_MASK);
		i.a = (int64_t)(number >> INODE_B_BITS & (((uint64_t)1 << INODE_A_BITS) - 1));
		i.b = (uint32_t)(number & ((1u << INODE_B_BITS) - 1));
	}
	/* Only numbers that inode_pack makes are numbers: one spelling for each inode. */
	if (inode_pack(i) != number)
		return false;
	*out = i;
	return true;
}
