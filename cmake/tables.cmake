# Every table of the project: folder, name prefix, contract type, its header, the accessor.
