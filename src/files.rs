//! Files of the disk, as the engine asks for them.

use std::path::Path;
use wavetank_engine::source::Files;

/// Reads real files. Relative paths count from the working directory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| short(&error))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, String> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(|error| short(&error))? {
            let entry = entry.map_err(|error| short(&error))?;
            if entry.path().is_file()
                && let Some(name) = entry.file_name().to_str()
            {
                paths.push(Path::new(dir).join(name).to_string_lossy().into_owned());
            }
        }
        paths.sort();
        Ok(paths)
    }
}

fn short(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_string(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_string(),
        _ => error.to_string(),
    }
}
