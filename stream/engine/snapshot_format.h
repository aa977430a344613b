/* The head of an engine snapshot: docs/formats.md. */
#ifndef BELLTOWER_STREAM_ENGINE_SNAPSHOT_FORMAT_H
#define BELLTOWER_STREAM_ENGINE_SNAPSHOT_FORMAT_H

#define SNAPSHOT_MAGIC     "BTENGINE"
#define SNAPSHOT_MAGIC_LEN 8
#define SNAPSHOT_VERSION   2  /* written; 1 is read, too */
#define SNAPSHOT_HEAD      24 /* magic, version u32, CRC-32C of the rest u32, length of the rest u64 */

#endif
