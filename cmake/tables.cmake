# Every table of the project: folder, name prefix, contract type, its header, the accessor.
hone_table(ops op Op "hone/graph/op.hpp" op_table)
hone_table(backend/cpu cpu_kernel Kernel "hone/backend/kernel.hpp" cpu_kernel_table)
hone_table(passes pass Pass "hone/passes/pass.hpp" pass_table)
hone_table(frontends/readers weights_reader WeightsReader "hone/frontends/model.hpp" weights_reader_table)
hone_table(frontends/zoo architecture Architecture "hone/frontends/zoo/architecture.hpp" architecture_table)
hone_table(data/datasets dataset DatasetKind "hone/data/dataset.hpp" dataset_table)
hone_table(recipes recipe Recipe "hone/recipes/recipe.hpp" recipe_table)
hone_table(cli command Command "hone/cli/command.hpp" command_table)
