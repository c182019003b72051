# Every table of the project: folder, name prefix, contract type, its header, the accessor.
hone_table(frontends/readers weights_reader WeightsReader "hone/frontends/model.hpp" weights_reader_table)
