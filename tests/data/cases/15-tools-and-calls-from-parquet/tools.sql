COPY (
 SELECT * FROM (VALUES
  ([{'role':'user','content':'Is Ulm wet?','tool_calls':NULL},{'role':'assistant','content':'Yes.','tool_calls':NULL}],
   [{'name':'weather','since':TIMESTAMP '2024-05-01 10:00:00','parameters':{'town':'string','price':NULL::DECIMAL(9,2)}}]),
  ([{'role':'user','content':'Price of rye?','tool_calls':NULL},{'role':'assistant','content':'Two euros.','tool_calls':NULL}],
   [{'name':'price','since':TIMESTAMP '2024-05-02 10:00:00','parameters':{'town':NULL,'price':2.10::DECIMAL(9,2)}}]),
  ([{'role':'user','content':'Book a table.','tool_calls':NULL},
    {'role':'assistant','content':NULL,'tool_calls':[{'name':'book','at':TIMESTAMP '2024-06-01 19:30:00'}]},
    {'role':'tool','content':'done','tool_calls':NULL},{'role':'assistant','content':'Booked.','tool_calls':NULL}], NULL)
 ) AS t(messages, tools)
) TO 'tools.parquet' (FORMAT parquet)
