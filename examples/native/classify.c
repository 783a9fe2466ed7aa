/* Which class an image belongs to, in C: classify MODEL.rush IMAGE.npy
 *
 * Prints the classes' names, which the file's metadata holds, with their probabilities. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rushlight.h"

static void check(rl_status status) {
    if (status == RL_OK) return;
    fprintf(stderr, "classify: %s\n", rl_last_error());
    exit(1);
}

int main(int argc, char** argv) {
    if (argc != 3) return fprintf(stderr, "classify MODEL.rush IMAGE.npy\n"), 2;
    rl_model* model = NULL;
    rl_value *image = NULL, *scores = NULL, *metadata = NULL;
    check(rl_model_load(argv[1], 0, &model));
    check(rl_value_load(argv[2], &image));

    const rl_value* inputs[] = {image};
    check(rl_run(model, NULL, inputs, 1, &scores, 1));

    /* {"labels": ["cat", "dog"]} */
    const char* text = rl_metadata(model);
    check(rl_from_json(text, strlen(text), &metadata));
    const rl_value* labels = rl_item(metadata, 0);
    const float* probability = rl_tensor_data(scores);
    for (size_t i = 0; i < rl_item_count(labels); ++i) {
        const char* label = NULL;
        check(rl_get_string(rl_item(labels, i), &label, NULL));
        printf("%s %.9g\n", label, probability[i]);
    }

    rl_value_free(metadata);
    rl_value_free(scores);
    rl_value_free(image);
    rl_model_free(model);
    return 0;
}
