//! Each kind of rule fires on what it is of, and on nothing else.
