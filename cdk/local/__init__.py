"""The real stacks on this machine: PostgreSQL, a local AWS, the sample lab and a front on one port."""
