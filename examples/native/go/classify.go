// Which class an image belongs to, in Go through cgo: classify MODEL.rush IMAGE.npy
package main

/*
#cgo LDFLAGS: -lrushlight
#include <stdlib.h>
#include "rushlight.h"
*/
import "C"

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"
)

// check turns a status into an error. The text belongs to the thread, so callers lock theirs.
func check(status C.rl_status) error {
	if status == C.RL_OK {
		return nil
	}
	return errors.New(C.GoString(C.rl_last_error()))
}

func classify(modelPath, imagePath string) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	path, picture := C.CString(modelPath), C.CString(imagePath)
	defer C.free(unsafe.Pointer(path))
	defer C.free(unsafe.Pointer(picture))

	var model *C.rl_model
	if err := check(C.rl_model_load(path, 0, &model)); err != nil {
		return err
	}
	defer C.rl_model_free(model)
	var image, scores *C.rl_value
	if err := check(C.rl_value_load(picture, &image)); err != nil {
		return err
	}
	defer C.rl_value_free(image)
	if err := check(C.rl_run(model, nil, &image, 1, &scores, 1)); err != nil {
		return err
	}
	defer C.rl_value_free(scores)

	var metadata struct{ Labels []string }
	if err := json.Unmarshal([]byte(C.GoString(C.rl_metadata(model))), &metadata); err != nil {
		return err
	}
	count := int(C.rl_tensor_bytes(scores)) / 4
	probability := unsafe.Slice((*float32)(C.rl_tensor_data(scores)), count)
	for i, label := range metadata.Labels {
		fmt.Printf("%s %.9g\n", label, probability[i])
	}
	return nil
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "classify MODEL.rush IMAGE.npy")
		os.Exit(2)
	}
	if err := classify(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "classify:", err)
		os.Exit(1)
	}
}
