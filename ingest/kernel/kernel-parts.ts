/** The kernel's source, in the order in which it is put together. */
export const KERNEL_PARTS = ['layout.as', 'json.as', 'record.as', 'resolve.as', 'append.as', 'run.as'] as const
