"""U-SQL at home: scripts of Data Lake Analytics, which was retired on 2024-02-29, run on DuckDB."""
