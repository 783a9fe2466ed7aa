/* Rushlight without Python: loads `.rush` files and runs them.
 *
 * The one stable interface of librushlight: functions and codes keep their meaning, new ones are added, and
 * rl_abi_version() grows where they are. Plain C99.
 *
 * Every function that can fail returns an rl_status; RL_OK is 0. rl_last_error() tells in words what went wrong last in
 * the calling thread. Where a function fails it leaves its results untouched. Handles are opaque; each is given back
 * with its own function, which takes NULL too. Texts and arrays that belong to a handle live as long as it does.
 *
 * Threads: a model may be run by many threads at once, and a value may be read by many threads at once. A handle is
 * given back when no other thread uses it any more. */
#ifndef RUSHLIGHT_H
#define RUSHLIGHT_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define RL_API
#else
#define RL_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define RL_ABI_VERSION 1

typedef int32_t rl_status;
enum {
    RL_OK = 0,
    RL_ERROR_ARGUMENT = 1,   /* a NULL, a handle of another kind or given back, an index or name that is not there */
    RL_ERROR_FILE = 2,       /* the system does not open, read or write it */
    RL_ERROR_CORRUPT = 3,    /* a file is truncated, altered, of a newer version or not what it says it is */
    RL_ERROR_SIGNATURE = 4,  /* inputs of other names, kinds, dtypes or shapes than the signature's */
    RL_ERROR_RUN = 5,        /* an operator of the program refused its arguments */
    RL_ERROR_MEMORY = 6,
    RL_ERROR_INTERNAL = 7
};

typedef int32_t rl_kind;
enum { RL_NONE = 0, RL_BOOL, RL_INT, RL_FLOAT, RL_STRING, RL_TENSOR, RL_LIST, RL_TUPLE, RL_DICT, RL_ANY };

typedef int32_t rl_dtype;
enum {
    RL_UINT8 = 0, RL_INT8, RL_INT16, RL_INT32, RL_INT64, RL_FLOAT16, RL_FLOAT32, RL_FLOAT64, RL_COMPLEX64,
    RL_COMPLEX128, RL_BOOLEAN, RL_BFLOAT16, RL_UINT16, RL_UINT32, RL_UINT64,
    RL_UNKNOWN_DTYPE = -1
};

typedef struct rl_model rl_model;
typedef struct rl_value rl_value;

/* What an input or output is. */
typedef struct rl_spec {
    const char* name;
    const char* type;        /* for people: "float32[1, 3]", "list[int]" */
    rl_kind kind;
    rl_dtype dtype;          /* of a tensor; RL_UNKNOWN_DTYPE where only the run tells */
    int32_t rank;            /* of a tensor; -1 where only the run tells */
    const int64_t* sizes;    /* `rank` of them; -1 of one that may vary */
} rl_spec;

RL_API const char* rl_version(void);                 /* "0.1.0" */
RL_API int32_t rl_abi_version(void);                 /* RL_ABI_VERSION of the library */
RL_API const char* rl_last_error(void);              /* valid until the thread's next call that fails; never NULL */
RL_API rl_status rl_set_threads(int32_t threads);    /* how many threads operators may use, in the whole process */
RL_API int32_t rl_threads(void);
RL_API const char* rl_dtype_name(rl_dtype dtype);    /* "float32"; NULL of what is none */
RL_API size_t rl_dtype_size(rl_dtype dtype);         /* bytes of an element; 0 of what is none */

/* ---- models ---- */

enum { RL_LOAD_COPY = 1,     /* of a file: read the tensors instead of mapping them */
       RL_LOAD_BORROW = 2 }; /* of memory: it stays as it is until the model and its results are given back */

/* Every byte is verified. A mapped file must not be changed in place; replacing it is harmless. */
RL_API rl_status rl_model_load(const char* path, uint32_t flags, rl_model** model);
RL_API rl_status rl_model_load_memory(const void* data, size_t bytes, uint32_t flags, rl_model** model);
RL_API void rl_model_free(rl_model* model);

/* Signatures, by number. A name stands once for each set of shapes that the program was saved for. */
RL_API size_t rl_signature_count(const rl_model* model);
RL_API const char* rl_signature_name(const rl_model* model, size_t signature);
RL_API size_t rl_input_count(const rl_model* model, size_t signature);
RL_API size_t rl_output_count(const rl_model* model, size_t signature);
RL_API const rl_spec* rl_input(const rl_model* model, size_t signature, size_t index);
RL_API const rl_spec* rl_output(const rl_model* model, size_t signature, size_t index);
RL_API const char* rl_graph_text(const rl_model* model, size_t signature);
/* The number of the first signature of that name; NULL names the first of all. */
RL_API rl_status rl_find_signature(const rl_model* model, const char* name, size_t* signature);

RL_API const char* rl_model_name(const rl_model* model);
RL_API const char* rl_metadata(const rl_model* model);               /* a JSON object: labels, preprocessing */
RL_API size_t rl_tensor_count(const rl_model* model);                /* of weights and other constants */
RL_API const rl_spec* rl_stored_tensor(const rl_model* model, size_t index);
RL_API size_t rl_extra_count(const rl_model* model);                 /* files that were saved beside the program */
RL_API const char* rl_extra_name(const rl_model* model, size_t index);
RL_API rl_status rl_extra_file(const rl_model* model, const char* name, const void** data, size_t* bytes);

/* Runs the signature of that name whose inputs fit; NULL names the first. Inputs are in the signature's order and stay
 * as they are. The outputs are new values. `output_count` is how many `outputs` has room for: rl_output_count() of them
 * at least. */
RL_API rl_status rl_run(rl_model* model, const char* signature, const rl_value* const* inputs, size_t input_count,
                        rl_value** outputs, size_t output_count);
/* The same with inputs by name, in any order. */
RL_API rl_status rl_run_named(rl_model* model, const char* signature, const char* const* names,
                              const rl_value* const* inputs, size_t input_count, rl_value** outputs,
                              size_t output_count);

/* ---- values ---- */

/* A tensor over the caller's memory, row-major, read and never written; it must stay until the value is given back. */
RL_API rl_status rl_tensor_view(rl_dtype dtype, int32_t rank, const int64_t* sizes, const void* data, rl_value** value);
/* A tensor with memory of its own; `data` NULL leaves it zero. */
RL_API rl_status rl_tensor_copy(rl_dtype dtype, int32_t rank, const int64_t* sizes, const void* data, rl_value** value);
RL_API rl_status rl_none(rl_value** value);
RL_API rl_status rl_bool(int32_t truth, rl_value** value);
RL_API rl_status rl_int(int64_t number, rl_value** value);
RL_API rl_status rl_float(double number, rl_value** value);
RL_API rl_status rl_string(const char* text, size_t bytes, rl_value** value);
/* RL_LIST or RL_TUPLE of copies of the items, nested 64 deep at most; tensors in them keep sharing their memory. */
RL_API rl_status rl_list(rl_kind kind, const rl_value* const* items, size_t count, rl_value** value);
RL_API rl_status rl_dict(const rl_value* const* keys, const rl_value* const* items, size_t count, rl_value** value);
/* Another handle for the same contents; of an item, one that outlives the container. */
RL_API rl_status rl_value_copy(const rl_value* value, rl_value** copy);
RL_API void rl_value_free(rl_value* value);

RL_API rl_kind rl_value_kind(const rl_value* value);                 /* -1 of what is no value */
RL_API rl_dtype rl_tensor_dtype(const rl_value* value);              /* RL_UNKNOWN_DTYPE of what is no tensor */
RL_API int32_t rl_tensor_rank(const rl_value* value);                /* -1 of what is no tensor */
RL_API const int64_t* rl_tensor_sizes(const rl_value* value);
RL_API const void* rl_tensor_data(const rl_value* value);            /* row-major, without gaps */
RL_API size_t rl_tensor_bytes(const rl_value* value);
RL_API rl_status rl_get_bool(const rl_value* value, int32_t* truth);
RL_API rl_status rl_get_int(const rl_value* value, int64_t* number);
RL_API rl_status rl_get_float(const rl_value* value, double* number);        /* of an int too */
RL_API rl_status rl_get_string(const rl_value* value, const char** text, size_t* bytes);
RL_API size_t rl_item_count(const rl_value* value);                  /* of a list, tuple or dict */
RL_API const rl_value* rl_item(const rl_value* value, size_t index); /* belongs to `value` */
RL_API const rl_value* rl_key(const rl_value* value, size_t index);  /* of a dict */

/* A number, bool or nested list of them, or a tensor, as a tensor of that dtype. RL_UNKNOWN_DTYPE: as it is, and of
 * numbers float32 where one has a point, int64 or bool otherwise. */
RL_API rl_status rl_as_tensor(const rl_value* value, rl_dtype dtype, rl_value** tensor);
/* JSON to values and back; tensors become nested lists, and what is not finite null. The text is an RL_STRING. */
RL_API rl_status rl_from_json(const char* text, size_t bytes, rl_value** value);
RL_API rl_status rl_to_json(const rl_value* value, rl_value** text);
/* .npy (a tensor), .npz (a dict of tensors) or .json, by the path's ending. */
RL_API rl_status rl_value_load(const char* path, rl_value** value);
RL_API rl_status rl_value_save(const char* path, const rl_value* value);

#ifdef __cplusplus
}
#endif

#endif
