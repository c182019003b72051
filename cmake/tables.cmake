# Every table of the project: folder, name prefix, contract type, its header, the accessor.
hone_table(data/datasets dataset DatasetKind "hone/data/dataset.hpp" dataset_table)
