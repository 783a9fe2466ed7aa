//! Which class an image belongs to, in Rust through its foreign function interface: classify MODEL.rush IMAGE.npy

use std::ffi::{c_char, c_void, CStr, CString};
use std::process::ExitCode;
use std::ptr::{null, null_mut};

#[repr(C)]
struct RlModel {
    _opaque: [u8; 0],
}
#[repr(C)]
struct RlValue {
    _opaque: [u8; 0],
}

#[link(name = "rushlight")]
extern "C" {
    fn rl_last_error() -> *const c_char;
    fn rl_model_load(path: *const c_char, flags: u32, model: *mut *mut RlModel) -> i32;
    fn rl_model_free(model: *mut RlModel);
    fn rl_value_load(path: *const c_char, value: *mut *mut RlValue) -> i32;
    fn rl_value_free(value: *mut RlValue);
    fn rl_run(
        model: *mut RlModel,
        signature: *const c_char,
        inputs: *const *const RlValue,
        input_count: usize,
        outputs: *mut *mut RlValue,
        output_count: usize,
    ) -> i32;
    fn rl_tensor_data(value: *const RlValue) -> *const c_void;
    fn rl_tensor_bytes(value: *const RlValue) -> usize;
}

fn check(status: i32) -> Result<(), String> {
    match status {
        0 => Ok(()),
        _ => Err(unsafe { CStr::from_ptr(rl_last_error()) }.to_string_lossy().into_owned()),
    }
}

struct Model(*mut RlModel);

impl Model {
    fn load(path: &str) -> Result<Self, String> {
        let path = CString::new(path).map_err(|e| e.to_string())?;
        let mut model = null_mut();
        check(unsafe { rl_model_load(path.as_ptr(), 0, &mut model) })?;
        Ok(Model(model))
    }

    fn run(&self, input: &Value) -> Result<Value, String> {
        let inputs = [input.0 as *const RlValue];
        let mut output = null_mut();
        check(unsafe { rl_run(self.0, null(), inputs.as_ptr(), 1, &mut output, 1) })?;
        Ok(Value(output))
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        unsafe { rl_model_free(self.0) }
    }
}

struct Value(*mut RlValue);

impl Value {
    fn load(path: &str) -> Result<Self, String> {
        let path = CString::new(path).map_err(|e| e.to_string())?;
        let mut value = null_mut();
        check(unsafe { rl_value_load(path.as_ptr(), &mut value) })?;
        Ok(Value(value))
    }

    fn floats(&self) -> &[f32] {
        unsafe { std::slice::from_raw_parts(rl_tensor_data(self.0) as *const f32, rl_tensor_bytes(self.0) / 4) }
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        unsafe { rl_value_free(self.0) }
    }
}

fn classify(model: &str, image: &str) -> Result<(), String> {
    let scores = Model::load(model)?.run(&Value::load(image)?)?;
    for (class, probability) in scores.floats().iter().enumerate() {
        println!("{class} {probability:e}");
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.len() != 3 {
        eprintln!("classify MODEL.rush IMAGE.npy");
        return ExitCode::from(2);
    }
    match classify(&arguments[1], &arguments[2]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("classify: {text}");
            ExitCode::FAILURE
        }
    }
}
