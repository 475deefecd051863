module tickwheel.dev/gen/openapi

go 1.26
