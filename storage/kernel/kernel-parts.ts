/** The kernel's source, in the order in which it is put together. */
export const KERNEL_PARTS = ['layout.as', 'hashes.as', 'tokens.as', 'bloom.as', 'hex.as'] as const
