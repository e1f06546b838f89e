/* SPDX-License-Identifier: MIT */
/* Tasks as XML, for the files of the client and its unit tests. */
#ifndef WORKER_VCD_TASK_XML_H
#define WORKER_VCD_TASK_XML_H

#include "common/xml.h"
#include "worker/vcd/task.h"

/* Reads a Task element; absent members become "". */
void task_read(struct arena *arena, const struct xml_node *node, struct vcd_task *out);

/* The body of a POST or PUT; owner and user are those of `about`. */
const char *task_body(struct arena *arena, const struct vcd_task *about,
	const struct vcd_task_write *write) MUST_CHECK;

/* The task an answer speaks of: the answer itself or its first Tasks/Task; "" when there is none.
 */
const char *task_href(struct arena *arena, struct xml_doc *doc) MUST_CHECK;

#endif
